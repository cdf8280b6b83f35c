"""Running a network over a picture, tile by tile."""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from processors.engine.device import DTYPES, Device, choose_device
from processors.engine.plan import Box, Tile, plan_tiles
from processors.failures import ProcessingFailure
from processors.models.manifest import NetworkEntry, Precision
from processors.models.registry import LoadedNetwork

Progress = Callable[[int, int], None]
"""Called with the steps that are done and the steps there are, after each step."""

ShouldStop = Callable[[], bool]
"""Asked before each step; once true, the work stops with `Cancelled`."""


class Cancelled(Exception):  # noqa: N818 (an outcome that was asked for, not an error)
    """The work was stopped because it was asked to; there is no result."""


class NotFinite(ProcessingFailure):
    """A network gave NaN or infinity even in fp32."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """A picture out of a network.

    `pixels` is (scale·H, scale·W, 3), RGB; `redone` counts the tiles that were computed again
    in fp32 because they were not finite.
    """

    pixels: npt.NDArray[np.uint8]
    tiles: int
    redone: int
    device: Device


class Engine:
    """Runs networks on one device, keeping each there once it was used.

    Safe to share between threads. A module of fp32 weights is never changed; the device holds
    its own copy.
    """

    def __init__(self, device: Device | None = None) -> None:
        self.device = device or choose_device()
        self._placed: dict[tuple[str, Precision], nn.Module] = {}
        self._lock = threading.Lock()

    def enlarge(
        self,
        network: LoadedNetwork,
        pixels: npt.NDArray[np.uint8],
        *,
        progress: Progress,
        should_stop: ShouldStop,
        tile: int | None = None,
    ) -> Enlarged:
        """Run `network` over `pixels`, (H, W, 3) RGB, in tiles of `tile` pixels a side.

        The tile's default is the network's own. Raises `Cancelled` before the next tile once
        `should_stop()` is true, `NotFinite` when a tile is not finite in fp32.
        """
        entry = network.entry
        height, width, channels = pixels.shape
        plan = plan_tiles(
            width,
            height,
            tile=tile or entry.tile,
            overlap=entry.overlap,
            multiple=entry.multiple,
        )
        enlarged = np.empty((height * entry.scale, width * entry.scale, channels), np.uint8)
        redone = 0
        for done, step in enumerate(plan):
            if should_stop():
                raise Cancelled
            output, again = self._run(network, _cut(pixels, step.read))
            redone += again
            _paste(enlarged, output, step, entry)
            progress(done + 1, len(plan))
        return Enlarged(enlarged, len(plan), redone, self.device)

    def _run(
        self, network: LoadedNetwork, pixels: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], bool]:
        output = self._infer(network, pixels, self.device.precision)
        if _is_finite(output):
            return _to_pixels(output), False
        if self.device.precision is not Precision.FP32:
            output = self._infer(network, pixels, Precision.FP32)
            if _is_finite(output):
                return _to_pixels(output), True
        raise NotFinite(f"{network.entry.name} gave values that are not finite in fp32")

    def _infer(
        self, network: LoadedNetwork, pixels: npt.NDArray[np.uint8], precision: Precision
    ) -> Tensor:
        module = self._place(network, precision)
        with torch.inference_mode():
            picture = torch.from_numpy(pixels).to(self.device.name, DTYPES[precision])
            # An (H, W, 3) picture is channels-last as it stands: no copy is needed.
            output: Tensor = module(picture.div_(255).permute(2, 0, 1).unsqueeze(0))
            return output.squeeze(0).float()

    def _place(self, network: LoadedNetwork, precision: Precision) -> nn.Module:
        key = (network.entry.name, precision)
        with self._lock:
            if key not in self._placed:
                module = copy.deepcopy(network.module)
                module = module.to(self.device.name, DTYPES[precision])
                # On two cores RRDBNet runs 10 to 40 % faster in channels-last.
                self._placed[key] = module.to(memory_format=torch.channels_last)
            return self._placed[key]


def _cut(pixels: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    """Copy what `box` covers, its part outside the picture filled with the edge."""
    height, width, _ = pixels.shape
    inside = pixels[box.top : box.bottom, box.left : box.right]
    beyond = ((0, max(0, box.bottom - height)), (0, max(0, box.right - width)), (0, 0))
    return np.pad(inside, beyond, mode="edge")


def _paste(
    target: npt.NDArray[np.uint8],
    output: npt.NDArray[np.uint8],
    step: Tile,
    entry: NetworkEntry,
) -> None:
    kept, read, scale = step.kept, step.read, entry.scale
    top, left = (kept.top - read.top) * scale, (kept.left - read.left) * scale
    target[kept.top * scale : kept.bottom * scale, kept.left * scale : kept.right * scale] = output[
        top : top + kept.height * scale, left : left + kept.width * scale
    ]


def _is_finite(output: Tensor) -> bool:
    return bool(torch.isfinite(output).all())


def _to_pixels(output: Tensor) -> npt.NDArray[np.uint8]:
    levels = output.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    pixels: npt.NDArray[np.uint8] = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return pixels
