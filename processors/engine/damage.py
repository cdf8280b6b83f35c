"""How much noise, and how much of JPEG's blocks, a picture shows.

Noise: the diagonal detail of one level of the Haar transform is almost all noise where a picture
is smooth; its deviation is taken by the median (Donoho and Johnstone, 1994, "Ideal spatial
adaptation by wavelet shrinkage") in blocks, and that of the smoothest sixth counts. Blocks: steps
of brightness from one pixel to the next that stand out from the steps beside them, more so at
every eighth column and row than elsewhere, beside what steps there are in all.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_LOOKED_AT: Final = 2048
_LEAST: Final = 64
_BLOCK: Final = 8
_SMOOTHEST: Final = 15
_MEDIAN_OF_NORMAL: Final = 0.6745
_CLIPPED: Final = 16
_STEP: Final = 20
_LEAST_STEP: Final = 0.25

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Damage:
    """What a picture shows of either; 0 is none.

    `noise` is the standard deviation of the luma's noise in levels of 255: about 0.6 s for white
    noise of deviation s in each of R, G and B. `blocks` is how much steps at the edges of 8 x 8
    blocks stand out, as a part of the mean step: photographs saved as JPEG of quality 85 have
    about 0.1, of 60 some 0.3, of 20 about 0.7; those never saved so mostly under 0.05.
    """

    noise: float
    blocks: float


def measure_damage(pixels: npt.NDArray[np.uint8]) -> Damage:
    """Measure the middle of a picture, (H, W, 1) or (H, W, 3); one under 64 a side has none."""
    height, width, channels = pixels.shape
    if min(height, width) < _LEAST:
        return Damage(0.0, 0.0)
    top, left = (max(0, side - _LOOKED_AT) // 2 for side in (height, width))
    middle = pixels[top : top + _LOOKED_AT, left : left + _LOOKED_AT]
    luma = middle[..., 0] if channels == 1 else cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY)
    levels = luma.astype(np.float32)
    return Damage(_noise(levels), min(_blocks(levels), _blocks(levels.T)))


def _noise(levels: Floats) -> float:
    height, width = (side // (2 * _BLOCK) * _BLOCK for side in levels.shape)
    even = levels[: 2 * height, : 2 * width]
    detail = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    deviations = np.median(np.abs(_in_blocks(detail, _BLOCK)), axis=1) / _MEDIAN_OF_NORMAL
    means = _in_blocks(even, 2 * _BLOCK).mean(axis=1)
    # Where it is almost black or white, noise is cut off.
    whole = (means > _CLIPPED) & (means < 255 - _CLIPPED)
    return float(np.percentile(deviations[whole] if whole.any() else deviations, _SMOOTHEST))


def _in_blocks(levels: Floats, side: int) -> Floats:
    rows, columns = (length // side for length in levels.shape)
    blocks = levels[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return blocks.swapaxes(1, 2).reshape(rows * columns, side * side)


def _blocks(levels: Floats) -> float:
    """Return how much the steps from row to row stand out at one of eight phases."""
    steps = np.abs(np.diff(levels, axis=0))
    standing_out = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    rows = np.clip(standing_out, -_STEP, _STEP).mean(axis=1)
    phases = sorted(float(rows[phase::_BLOCK].mean()) for phase in range(_BLOCK))
    mean = float(np.minimum(steps, _STEP).mean())
    return max(0.0, phases[-1] - phases[_BLOCK // 2 - 1]) / (mean + _LEAST_STEP)
