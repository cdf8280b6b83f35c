"""A decoded picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.operations import ImageFormat
from schemas.warnings import Warned


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture as it is looked at: upright, 8 bits a channel.

    `pixels` is uint8 (H, W, 3), RGB, or (H, W, 1) for a grey picture; `alpha` is uint8 (H, W),
    0 transparent, or None for an opaque picture; `icc` is the colour profile of `pixels`, None
    meaning sRGB; `source_format` is that of the file; `source_size` is (width, height) as
    stored in the file, before its EXIF orientation was applied; `exif` is what may be kept of
    the file's metadata, as a TIFF block without orientation, thumbnail, maker's notes or place,
    None where there is nothing; `warnings` is what a client may want to know of how it was read.
    """

    pixels: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.uint8] | None
    icc: bytes | None
    source_format: ImageFormat
    source_size: tuple[int, int]
    exif: bytes | None = None
    warnings: tuple[Warned, ...] = ()

    @property
    def width(self) -> int:
        """Pixels in a row, upright."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows, upright."""
        return int(self.pixels.shape[0])

    @property
    def is_grey(self) -> bool:
        """Whether there is one channel of colour."""
        return int(self.pixels.shape[2]) == 1
