"""Keeping a picture's colours through a network.

The networks shift brightness and hue by up to five levels of 255 on photographs. What they are
wanted for is detail; so the slow part of the colours is taken from the original again, as
wavelet colour correction does, and the network's detail is left as it is.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_BLUR: Final = 4.0
_STRIP: Final = 64


def hold_colour(
    enlarged: npt.NDArray[np.uint8], original: npt.NDArray[np.uint8], scale: int
) -> npt.NDArray[np.uint8]:
    """Give `enlarged`, (scale·H, scale·W, 3), the slow colours of `original`, (H, W, 3).

    Changes `enlarged` itself, and returns it: of 64 megapixels a second copy would take 190 MB.
    What is slow is decided by a Gaussian of 4 input pixels. Works in strips, so that of the
    large picture no copy in floating point is needed; of the small one there are two.
    """
    height, width, _ = original.shape
    reduced = cv2.resize(enlarged, (width, height), interpolation=cv2.INTER_AREA)
    lost = cv2.subtract(original, reduced, dtype=cv2.CV_32F)
    slow = cv2.GaussianBlur(lost, (0, 0), _BLUR, borderType=cv2.BORDER_REFLECT)
    del reduced, lost
    for top in range(0, height, _STRIP):
        rows = range(top, min(height, top + _STRIP))
        _shift(enlarged[rows.start * scale : rows.stop * scale], slow, rows, scale)
    return enlarged


def _shift(
    strip: npt.NDArray[np.uint8], slow: npt.NDArray[np.float32], rows: range, scale: int
) -> None:
    # One more row on either side, for interpolation to see what the whole picture would show.
    top, bottom = max(0, rows.start - 1), min(slow.shape[0], rows.stop + 1)
    size = (slow.shape[1] * scale, (bottom - top) * scale)
    shifted = cv2.resize(slow[top:bottom], size, interpolation=cv2.INTER_LINEAR)
    shifted = shifted[(rows.start - top) * scale :][: strip.shape[0]]
    shifted += strip
    np.rint(shifted, out=shifted)
    strip[:] = np.clip(shifted, 0, 255, out=shifted)
