"""EXIF orientation: turning a picture the way it is looked at."""

import struct

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

_ORIENTATION = 0x0112
AS_STORED = 1
"""The orientation of a picture that lies as it is looked at."""


def orientation_of(picture: Pillow.Image) -> int:
    """Return the EXIF orientation of a loaded picture, 1 to 8; 1 where there is none that reads.

    Damaged EXIF is no reason to refuse a picture whose pixels are whole.
    """
    try:
        value = picture.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return AS_STORED
    return value if isinstance(value, int) and 1 <= value <= 8 else AS_STORED  # noqa: PLR2004 (the values EXIF defines)


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Return `pixels`, (H, W) or (H, W, C), turned and mirrored as EXIF 2.32 §4.6.4 defines."""
    match orientation:
        case 2:
            turned = np.flip(pixels, axis=1)
        case 3:
            turned = np.rot90(pixels, 2)
        case 4:
            turned = np.flip(pixels, axis=0)
        case 5:
            turned = np.swapaxes(pixels, 0, 1)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = np.rot90(np.swapaxes(pixels, 0, 1), 2)
        case 8:
            turned = np.rot90(pixels)
        case _:
            turned = pixels
    return np.ascontiguousarray(turned)
