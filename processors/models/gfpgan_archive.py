"""GFPGAN out of the archive that its authors publish, read by spandrel where that is installed."""

import textwrap
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from processors.failures import ModelUnavailable, ProcessingFailure
from processors.models.beat import Beat, LayerBeat
from processors.models.files import WeightsMalformed
from processors.models.torch_archive import state_dict


class GfpganArchive:
    """GFPGAN 1.2 to 1.4 in fp32 on the CPU, by torch. Safe to share between threads.

    Nothing but tensors is unpickled. Raises `ModelUnavailable` where spandrel is not installed,
    and `WeightsMalformed` when `archive` holds no GFPGAN.
    """

    def __init__(self, name: str, archive: bytes) -> None:
        try:
            # Optional, and slow to import: only who has supplied a file pays for it.
            from spandrel import ModelLoader, UnsupportedModelError  # noqa: PLC0415
        # A torchvision that was made for another torch says so by a RuntimeError.
        except (ImportError, RuntimeError) as error:
            raise ModelUnavailable(
                f"{name} needs spandrel", f"run `pip install picmend[supplied]` ({error})"
            ) from error
        self._name = name
        weights = state_dict(archive)
        try:
            found = ModelLoader("cpu").load_from_state_dict(weights)
        except UnsupportedModelError as error:
            raise WeightsMalformed(f"{name} is no archive that spandrel knows") from error
        # Tensors of other shapes, or without values, raise what torch does.
        except Exception as error:
            told = textwrap.shorten(str(error), 200)
            raise WeightsMalformed(f"{name} has not the tensors of its network: {told}") from error
        if found.architecture.id != "GFPGAN":
            raise WeightsMalformed(f"{name} is an archive of {found.architecture.name}, not GFPGAN")
        self._module = found.model.eval().requires_grad_(requires_grad=False)
        self._beat = LayerBeat()
        self._beat.watch(self._module)

    def run(
        self, feed: Mapping[str, npt.NDArray[np.generic]], shape: tuple[int, ...], beat: Beat
    ) -> npt.NDArray[np.float32]:
        """Return what the network makes of the one picture in `feed`, float32 of that shape.

        Raises `ProcessingFailure` when it cannot be run or its output is not finite, and what
        `beat` raises, within a second or a layer.
        """
        (picture,) = feed.values()
        self._beat.begin(beat)
        try:
            with torch.inference_mode():
                # With the noise that the archive holds: noise drawn anew would be another face
                # each time.
                made, _ = self._module(
                    torch.from_numpy(picture), return_rgb=False, randomize_noise=False
                )
        except RuntimeError as error:
            raise ProcessingFailure(f"{self._name} could not be run: {error}") from error
        output: npt.NDArray[np.float32] = made.numpy()
        if output.shape != shape or not np.isfinite(output).all():
            raise ProcessingFailure(f"{self._name} gave no picture of finite values")
        return output
