"""Connected parts of a picture that stand out, and what they are on average."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.line_filter import segment

Marks = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_GAP = 9
_BRIDGED = 0.02
_SPECK_SIZES = (3, 120)
_LONGEST_SPECK = 45
_LEAST_SPREAD = 0.08
"""Of a pixel about its middle, so that the spread of a line one pixel broad is not 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Connected parts: which pixels, whose they are, how many, and the box's two sides."""

    pixels: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    sides: npt.NDArray[np.float64]

    def mean(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the mean of `values`, (H, W), over each part."""
        total = np.bincount(self.owners, values.reshape(-1)[self.pixels], len(self.sizes))
        mean: npt.NDArray[np.float64] = total / self.sizes
        return mean

    def deviation(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the standard deviation of `values`, (H, W), over each part."""
        variance = self.mean(values * values) - self.mean(values) ** 2
        spread: npt.NDArray[np.float64] = np.sqrt(np.maximum(variance, 0))
        return spread

    def highest(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the largest of `values`, (H, W), in each part; they are 0 or more."""
        highest = np.zeros(len(self.sizes))
        np.maximum.at(highest, self.owners, values.reshape(-1)[self.pixels])
        return highest

    def average(self, values: npt.NDArray[np.floating] | npt.NDArray[np.bool_]) -> Values:
        """Return the mean over each part of `values`, one for each of `pixels`."""
        mean: Values = np.bincount(self.owners, values, len(self.sizes)) / self.sizes
        return mean

    def axes(self, width: int) -> tuple[Values, Values, Values, Values]:
        """Return each part's middle, x and y, and its spread along and across its main axis.

        Spreads are standard deviations in pixels; `width` is the picture's.
        """
        row, column = (place.astype(np.float64) for place in np.divmod(self.pixels, width))
        x, y = self.average(column), self.average(row)
        aside, down = column - x[self.owners], row - y[self.owners]
        xx, yy, xy = (self.average(product) for product in (aside**2, down**2, aside * down))
        mid, half = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
        along = np.sqrt(mid + half + _LEAST_SPREAD)
        return x, y, along, np.sqrt(np.maximum(mid - half, 0) + _LEAST_SPREAD)


def line_parts(near: npt.NDArray[np.bool_], direction: int, shortest: float) -> Parts | None:
    """Return the parts of `near` that are long and thin, gaps along the line being bridged."""
    if not near.any():
        return None
    bridge = (segment(direction, _GAP) > _BRIDGED).astype(np.uint8)
    joined = cv2.dilate(near.astype(np.uint8), bridge)

    def is_line(sizes: npt.NDArray[np.int64], sides: npt.NDArray[np.float64]) -> Marks:
        extent = np.hypot(sides[0], sides[1])
        kept: Marks = (extent >= shortest) & (sizes > 0.5 * extent) & (sizes < 6 * extent)
        return kept

    return _parts(near, joined, is_line)


def speck_parts(raised: npt.NDArray[np.bool_]) -> Parts | None:
    """Return the parts of `raised` that are small."""

    def is_speck(sizes: npt.NDArray[np.int64], sides: npt.NDArray[np.float64]) -> Marks:
        least, most = _SPECK_SIZES
        kept: Marks = (sizes >= least) & (sizes <= most) & (sides.max(axis=0) <= _LONGEST_SPECK)
        return kept

    return _parts(raised, raised.astype(np.uint8), is_speck)


def _parts(
    members: Marks,
    joined: npt.NDArray[np.uint8],
    wanted: Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], Marks],
) -> Parts | None:
    """Return the `members` in each connected part of `joined` whose size and box are wanted."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    pixels = np.flatnonzero(members)
    owners = labels.reshape(-1)[pixels]
    sizes = np.bincount(owners, minlength=count)
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].T.astype(np.float64)
    kept = wanted(sizes, sides) & (sizes > 0)
    kept[0] = False
    if not kept.any():
        return None
    renamed = np.cumsum(kept) - 1
    chosen = kept[owners]
    return Parts(pixels[chosen], renamed[owners[chosen]], sizes[kept], sides[:, kept])
