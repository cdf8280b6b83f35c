"""Where a picture has thin bright or dark lines, in any direction."""

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

DIRECTIONS = 16
_LENGTH = 15
_ASIDE = 3
_ALONG = 0.7 * _LENGTH
_KEPT = 12
_PADDING = 26


@dataclass(frozen=True, slots=True, eq=False)
class LineMap:
    """Lines of one kind, bright or dark, (H, W) each.

    `strength` is by how many levels the line stands out from the nearer in tone of its two
    sides, 0 where there is no line; `direction` counts 16ths of a half turn; `asymmetry` is the
    difference of the sides, `tone` the line's own level.
    """

    strength: Floats
    direction: npt.NDArray[np.uint8]
    asymmetry: Floats
    tone: Floats


def line_maps(grey: Floats) -> tuple[LineMap, LineMap]:
    """Return the bright and the dark lines, one to four pixels wide, of `grey`, (H, W), 0 to 255.

    A line is 15 pixels on which the mean lies above (or below) both sides, and so do the next 15
    pixels one way or the other: the edge of an object is none, for it has one side only.
    """
    height, width = grey.shape
    padded = cv2.copyMakeBorder(grey, *(_PADDING,) * 4, cv2.BORDER_REPLICATE)
    bright, dark = _nothing(height, width), _nothing(height, width)
    for direction in range(DIRECTIONS):
        angle = np.pi * direction / DIRECTIONS
        mean = cv2.filter2D(padded, -1, segment(direction, _LENGTH))
        aside = (round(-np.sin(angle) * _ASIDE), round(np.cos(angle) * _ASIDE))
        along = (round(np.cos(angle) * _ALONG), round(np.sin(angle) * _ALONG))
        own = _window(mean, (0, 0), _KEPT)
        left, right = (_window(mean, (n * aside[0], n * aside[1]), _KEPT) for n in (1, -1))
        high, low = cv2.max(left, right), cv2.min(left, right)
        for found, contrast in ((bright, own - high), (dark, low - own)):
            further = cv2.max(_window(contrast, along), _window(contrast, (-along[0], -along[1])))
            strength = cv2.min(_window(contrast, (0, 0)), further)
            better = strength > found.strength
            np.copyto(found.strength, strength, where=better)
            found.direction[better] = direction
            np.copyto(found.asymmetry, _window(high - low, (0, 0)), where=better)
            np.copyto(found.tone, _window(own, (0, 0)), where=better)
    return bright, dark


@functools.cache
def segment(direction: int, length: int) -> Floats:
    """Return a kernel that averages over a line of that length, centred."""
    reach = length // 2 + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    angle = np.pi * direction / DIRECTIONS
    for position in np.arange(-(length - 1) / 2, length / 2, 0.5):
        x, y = reach + np.cos(angle) * position, reach + np.sin(angle) * position
        column, row = int(np.floor(x)), int(np.floor(y))
        right, down = x - column, y - row
        kernel[row : row + 2, column : column + 2] += np.outer((1 - down, down), (1 - right, right))
    kernel /= kernel.sum()
    return kernel


def _nothing(height: int, width: int) -> LineMap:
    strength, asymmetry, tone = (np.zeros((height, width), np.float32) for _ in range(3))
    return LineMap(strength, np.zeros((height, width), np.uint8), asymmetry, tone)


def _window(padded: Floats, shift: tuple[int, int], margin: int = 0) -> Floats:
    """Return what lies `shift` (x, y) from the picture, with `margin` pixels kept around it."""
    padding = (_PADDING if margin else _KEPT) - margin
    x, y = shift
    height, width = padded.shape
    return padded[padding + y : height - padding + y, padding + x : width - padding + x]
