"""More than 8 bits a channel to 8, rounded."""

import numpy as np
import numpy.typing as npt

from processors.images.loaded import Channel

_DEEPEST = 16
_FULL = 255
_AT_ONCE = 1 << 20


def reduced(levels: npt.NDArray[np.uint16], bits: int) -> Channel:
    """Return levels of 0 to 2**bits - 1 as 0 to 255, each rounded to the nearest.

    Higher levels, which only a damaged file has, are white.
    """
    most = (1 << bits) - 1
    table = np.minimum(np.arange(1 << _DEEPEST), most) * _FULL
    shades = ((table + most // 2) // most).astype(np.uint8)
    result = np.empty(levels.shape, np.uint8)
    # Rows by rows: indexing turns levels into numbers of 8 bytes.
    rows = max(1, _AT_ONCE // max(1, levels[:1].size))
    for top in range(0, len(levels), rows):
        result[top : top + rows] = shades[levels[top : top + rows]]
    return result
