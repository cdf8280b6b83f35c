"""Keeping a picture's colours through a network.

The networks shift brightness and hue by up to five levels of 255 on photographs. What they are
wanted for is detail; so the slow part of the colours is taken from the original again, as
wavelet colour correction does, and the network's detail is left as it is.
"""

import cv2
import numpy as np
import numpy.typing as npt

_BLUR = 4.0
_STRIP = 256


def hold_colour(
    enlarged: npt.NDArray[np.uint8], original: npt.NDArray[np.uint8], scale: int
) -> npt.NDArray[np.uint8]:
    """Return `enlarged`, (scale·H, scale·W, 3), with the slow colours of `original`, (H, W, 3).

    What is slow is decided by a Gaussian of 4 input pixels. Works in strips, so that no copy of
    the whole in floating point is needed.
    """
    height, width, _ = original.shape
    reduced = cv2.resize(enlarged, (width, height), interpolation=cv2.INTER_AREA)
    lost = original.astype(np.float32) - reduced.astype(np.float32)
    slow = cv2.GaussianBlur(lost, (0, 0), _BLUR, borderType=cv2.BORDER_REFLECT)
    held = np.empty_like(enlarged)
    for top in range(0, height, _STRIP):
        bottom = min(height, top + _STRIP)
        held[top * scale : bottom * scale] = _shifted(
            enlarged[top * scale : bottom * scale], slow, range(top, bottom), scale
        )
    return held


def _shifted(
    strip: npt.NDArray[np.uint8], slow: npt.NDArray[np.float32], rows: range, scale: int
) -> npt.NDArray[np.uint8]:
    # One more row on either side, for interpolation to see what the whole picture would show.
    top, bottom = max(0, rows.start - 1), min(slow.shape[0], rows.stop + 1)
    size = (slow.shape[1] * scale, (bottom - top) * scale)
    shift = cv2.resize(slow[top:bottom], size, interpolation=cv2.INTER_LINEAR)
    shift = shift[(rows.start - top) * scale :][: strip.shape[0]]
    shifted: npt.NDArray[np.uint8] = np.clip(np.rint(strip + shift), 0, 255).astype(np.uint8)
    return shifted
