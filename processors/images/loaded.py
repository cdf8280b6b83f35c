"""What a format's reader makes of a file, before it is turned upright."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from schemas.warnings import Warned

Channel: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pixels as the format gives them, and what goes with them.

    `pixels` is (H, W, 1) or (H, W, 3), `alpha` (H, W) or None. `orientation` is EXIF's, where it
    is still to be applied, else 1. `exif` is a TIFF block, uncleaned; `frames` counts pictures in
    the file; `depth` is the bits a channel that the file has.
    """

    pixels: Channel
    alpha: Channel | None
    icc: bytes | None
    exif: bytes | None
    orientation: int
    frames: int
    depth: int
    warnings: tuple[Warned, ...] = ()
