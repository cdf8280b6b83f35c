"""Networks that fill holes, out of files that the operator supplies.

Both see 512 x 512 pixels. What they were exported to take was read from programs that use them:
MI-GAN's pipeline takes `image`, uint8 (N, 3, H, W) RGB, and `mask`, uint8 (N, 1, H, W), 255 where
a pixel is known, and gives `result` like `image`. LaMa takes `image`, float32 in 0..1, and
`mask`, float32, 1 where a pixel is missing, and gives `output`, float32 in 0..255.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from processors.models.beat import Beat
from processors.models.supplied import Kind, SuppliedEntry
from processors.models.supplied_network import SuppliedNetwork

_SIDE: Final = 512

Pixels = npt.NDArray[np.uint8]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LearnedInpainter:
    """A network that fills holes. Safe to share between threads."""

    entry: SuppliedEntry
    network: SuppliedNetwork

    def fill(self, pixels: Pixels, holes: Marks, beat: Beat) -> Pixels:
        """Return `pixels`, uint8 (H, W, 3) RGB, filled where `holes`, bool (H, W), is true.

        Pixels that are no hole come back as they were. What is larger than 512 pixels on a side
        is reduced for the network, and its fill enlarged; what is smaller is continued past its
        edges by its mirror image. Raises as `SuppliedNetwork.run` does.
        """
        height, width = holes.shape
        shrink = min(1.0, _SIDE / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        fitted = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        # Any part of a hole makes a reduced pixel one: what it holds of the hole is no picture.
        missing = cv2.resize(holes.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        beyond = (_SIDE - size[1], _SIDE - size[0])
        holed = _mirrored(missing.astype(np.uint8), beyond)
        filled = self._run(_mirrored(fitted, beyond), holed, beat)[: size[1], : size[0]]
        if size != (width, height):
            filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.where(holes[..., np.newaxis], filled, pixels)

    def _run(self, picture: Pixels, missing: Pixels, beat: Beat) -> Pixels:
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1))[np.newaxis]
        mask = missing[np.newaxis, np.newaxis]
        match self.entry.kind:
            case Kind.MIGAN:
                feed: dict[str, npt.NDArray[np.generic]] = {
                    "image": planes,
                    "mask": ((1 - mask) * 255).astype(np.uint8),
                }
            case Kind.LAMA:
                feed = {
                    "image": planes.astype(np.float32) / 255,
                    "mask": mask.astype(np.float32),
                }
        output = self.network.run(feed, planes.shape, beat)
        levels = np.clip(np.rint(output), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels[0].transpose(1, 2, 0))


def _mirrored(pixels: Pixels, beyond: tuple[int, int]) -> Pixels:
    padding = ((0, beyond[0]), (0, beyond[1]), *((0, 0) for _ in pixels.shape[2:]))
    return np.pad(pixels, padding, mode="symmetric")
