"""Taking noise out by non-local means, in strips."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_STRIP: Final = 256
_PATCH: Final = 7
_SEARCH: Final = 21
_REACH: Final = _PATCH // 2 + _SEARCH // 2


def smoothed(
    pixels: npt.NDArray[np.uint8], strength: float
) -> Iterator[tuple[range, npt.NDArray[np.uint8]]]:
    """Give the rows of `pixels`, (H, W, 3) RGB, strip by strip, with noise taken out.

    Non-local means (Buades, Coll and Morel, 2005) in Lab, as OpenCV has it; `strength` is its h.
    Strips come out as the whole would.
    """
    height = pixels.shape[0]
    for top in range(0, height, _STRIP):
        rows = range(top, min(height, top + _STRIP))
        first, last = max(0, rows.start - _REACH), min(height, rows.stop + _REACH)
        strip = cv2.cvtColor(pixels[first:last], cv2.COLOR_RGB2BGR)
        clean = cv2.fastNlMeansDenoisingColored(strip, None, strength, strength, _PATCH, _SEARCH)
        inside = clean[rows.start - first : rows.stop - first]
        yield rows, cv2.cvtColor(inside, cv2.COLOR_BGR2RGB)
