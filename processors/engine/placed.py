"""A network as torch runs it: on GPUs, and as the reference for what others make of it."""

import copy
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from processors.engine.device import DTYPES, Device
from processors.models.survey import Survey, Surveys


class Placed:
    """A copy of a network's module, made for one device and one precision.

    It takes pictures in fp32, whatever the precision of its weights.
    """

    def __init__(self, module: nn.Module, device: Device) -> None:
        own = copy.deepcopy(module).to(device.name, DTYPES[device.precision])
        self._module = own.to(memory_format=torch.channels_last)
        self._on_gpu = device.name != "cpu"

    def run(
        self, pictures: Tensor, pulse: Callable[[], None], survey: Survey | None = None
    ) -> Tensor:
        """Return what the network makes of `pictures`, fp32 (N, 3, H, W), as it comes.

        `survey` is of the pictures that these are tiles of; a network that makes none needs none.
        `pulse` is not called: on a GPU nothing waits for a tile.
        """
        del pulse
        output: Tensor = self._module(pictures, *([] if survey is None else [survey]))
        return output

    def survey(self, samples: Tensor, pulse: Callable[[], None]) -> Survey:
        """Return what a network that surveys makes of a picture's samples, as `run` does."""
        del pulse
        return cast("Surveys", self._module).survey(samples)

    def release(self) -> None:
        """Give back memory of the GPU that torch keeps for later."""
        if self._on_gpu:
            torch.cuda.empty_cache()
