"""How a mask is cut into regions that can be filled one by one."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.plan import Box

_CONTEXT = 32
_REACH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a mask: `box` with surroundings, and which of its pixels are to be filled.

    `fill` is bool of the box's height and width.
    """

    box: Box
    fill: npt.NDArray[np.bool_]


def plan_regions(mask: npt.NDArray[np.bool_]) -> tuple[Region, ...]:
    """Cut `mask`, (H, W), into regions that lie at least 8 pixels apart, top to bottom.

    Each pixel of the mask is in the `fill` of exactly one region; a box reaches 32 pixels
    around what it fills, as far as the picture does.
    """
    height, width = mask.shape
    kernel = np.ones((_REACH + 1, _REACH + 1), np.uint8)
    joined = cv2.dilate(mask.astype(np.uint8), kernel)
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    labels = np.where(mask, labels, 0)
    extents = _extents(labels, count)
    regions = []
    for label, (rows, columns) in extents.items():
        box = Box(
            max(0, columns.start - _CONTEXT),
            max(0, rows.start - _CONTEXT),
            min(width, columns.stop + _CONTEXT),
            min(height, rows.stop + _CONTEXT),
        )
        fill = labels[box.top : box.bottom, box.left : box.right] == label
        regions.append(Region(box, fill))
    return tuple(regions)


def _extents(labels: npt.NDArray[np.int32], count: int) -> dict[int, tuple[range, range]]:
    """Return the rows and columns that each label spans."""
    rows, columns = np.nonzero(labels)
    owners = labels[rows, columns]
    first = np.full((count, 2), np.iinfo(np.int64).max)
    last = np.zeros((count, 2), np.int64)
    for axis, positions in enumerate((rows, columns)):
        np.minimum.at(first[:, axis], owners, positions)
        np.maximum.at(last[:, axis], owners, positions + 1)
    return {
        label: (
            range(int(first[label, 0]), int(last[label, 0])),
            range(int(first[label, 1]), int(last[label, 1])),
        )
        for label in range(1, count)
        if last[label, 0]
    }
