"""How a mask is cut into regions that can be filled one by one."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.plan import Box

_CONTEXT = 32
_REACH = 8
_CELL = 256
_DEPTHS = ((22.0, 1), (45.0, 2), (100.0, 4))
_COARSEST = 8
_MOST_COARSE_PIXELS = 8_000


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a mask: `box` with surroundings, and which of its pixels are to be filled.

    `fill` is bool of the box's height and width; `coarseness` is how many times smaller a
    picture its inside is best filled on: 1 for lines and small holes.
    """

    box: Box
    fill: npt.NDArray[np.bool_]
    coarseness: int = 1


def plan_regions(mask: npt.NDArray[np.bool_]) -> tuple[Region, ...]:
    """Cut `mask`, (H, W), into regions, top to bottom.

    Each pixel of the mask is in the `fill` of exactly one region. Parts that lie 8 pixels apart
    are regions of their own; long thin ones, such as a scratch across the picture, are cut into
    pieces that fit into 256 x 256 pixels. A box reaches 32 pixels around what it fills, and
    farther around deep holes, as far as the picture does.
    """
    kernel = np.ones((_REACH + 1, _REACH + 1), np.uint8)
    joined = cv2.dilate(mask.astype(np.uint8), kernel)
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    labels[~mask] = 0
    depths = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return tuple(region for part in _parts(labels, depths, count) for region in _cut(labels, part))


@dataclass(frozen=True, slots=True)
class _Part:
    label: int
    extent: Box
    coarseness: int


def _parts(
    labels: npt.NDArray[np.int32], depths: npt.NDArray[np.float32], count: int
) -> Iterator[_Part]:
    """Yield each label with the pixels that it spans and how coarsely it is filled."""
    rows, columns = np.nonzero(labels)
    owners = labels[rows, columns]
    first = np.full((count, 2), np.iinfo(np.int64).max)
    last = np.zeros((count, 2), np.int64)
    for axis, positions in enumerate((rows, columns)):
        np.minimum.at(first[:, axis], owners, positions)
        np.maximum.at(last[:, axis], owners, positions + 1)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, owners, depths[rows, columns])
    sizes = np.bincount(owners, minlength=count)
    for label in range(1, count):
        if sizes[label]:
            top, left = (int(value) for value in first[label])
            bottom, right = (int(value) for value in last[label])
            coarseness = _coarseness(float(deepest[label]), int(sizes[label]))
            yield _Part(label, Box(left, top, right, bottom), coarseness)


def _coarseness(depth: float, size: int) -> int:
    if depth <= _DEPTHS[0][0]:
        return 1
    chosen = next((value for most, value in _DEPTHS if depth <= most), _COARSEST)
    while size / chosen**2 > _MOST_COARSE_PIXELS:
        chosen *= 2
    return chosen


def _cut(labels: npt.NDArray[np.int32], part: _Part) -> Iterator[Region]:
    if part.coarseness > 1:
        yield _region(labels, part, part.extent)
        return
    extent = part.extent
    for top in range(extent.top, extent.bottom, _CELL):
        for left in range(extent.left, extent.right, _CELL):
            bottom, right = min(extent.bottom, top + _CELL), min(extent.right, left + _CELL)
            rows, columns = np.nonzero(labels[top:bottom, left:right] == part.label)
            if len(rows):
                yield _region(
                    labels,
                    part,
                    Box(
                        left + int(columns.min()),
                        top + int(rows.min()),
                        left + int(columns.max()) + 1,
                        top + int(rows.max()) + 1,
                    ),
                )


def _region(labels: npt.NDArray[np.int32], part: _Part, inner: Box) -> Region:
    """Return what of `part` lies in `inner`, with its surroundings."""
    height, width = labels.shape
    context = max(_CONTEXT, 16 * part.coarseness)
    box = Box(
        max(0, inner.left - context),
        max(0, inner.top - context),
        min(width, inner.right + context),
        min(height, inner.bottom + context),
    )
    fill = np.zeros((box.height, box.width), np.bool_)
    fill[
        inner.top - box.top : inner.bottom - box.top,
        inner.left - box.left : inner.right - box.left,
    ] = labels[inner.top : inner.bottom, inner.left : inner.right] == part.label
    return Region(box, fill, part.coarseness)
