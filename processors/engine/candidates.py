"""What in a picture could be a scratch, a fold or dust, and what there is to know of each.

Nothing is decided here: a candidate is a connected part that stands out, with some
thirty measures of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.line_filter import DIRECTIONS, Floats, line_maps
from processors.engine.line_measures import LineLayer, LineSurroundings, line_measures
from processors.engine.parts import line_parts, speck_parts
from processors.engine.speck_measures import SpeckLayer, SpeckSurroundings, speck_measures

_BLOCK = 16
_TURNS = 4
_LINE_FLOOR, _SPECK_FLOOR = 4.0, 6.0
_SPECK = 9
_SPECK_LEVELS = (1.0, 2.0, 4.0)
_NEAR, _AROUND = (61, 61), (201, 201)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Parts of a picture: candidate `i` is `pixels[owners == i]`, with `measures[i]`.

    `pixels` are places in the flattened picture; `measures` is float64 (count, measures).
    """

    measures: npt.NDArray[np.float64]
    pixels: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]


def line_candidates(
    pixels: npt.NDArray[np.uint8], grey: Floats, shortest: float
) -> Iterator[Candidates]:
    """Yield the lines of `pixels`, (H, W, C), whose extent is `shortest` pixels or more.

    `grey` is their mean over the channels, float32 (H, W).
    """
    maps = line_maps(grey)
    strongest = cv2.max(maps[0].strength, maps[1].strength)
    activity = _activity(strongest)
    lined = strongest / (_LINE_FLOOR + 2 * activity) > 1
    measured = LineSurroundings(
        grey=grey,
        soft=cv2.blur(grey, (3, 3)),
        activity=activity,
        chroma=_chroma(cv2.blur(pixels, (3, 3))),
        ground=cv2.blur(grey, (31, 31)),
        spread=_spread(grey, 31),
        bend=_bend(grey),
        lined=lined,
        near=cv2.blur(lined.astype(np.float32), _NEAR),
    )
    for polarity, lines in enumerate(maps):
        score = lines.strength / (_LINE_FLOOR + 2 * activity)
        weak = score > 1
        layer = LineLayer(
            measured,
            lines,
            score=score,
            around=cv2.blur(weak.astype(np.float32), _AROUND),
            shared=(float(weak.mean()), float(lined.mean())),
        )
        for direction in range(0, DIRECTIONS, 2):
            # Some neighbouring directions: lines bend.
            turned = (lines.direction.astype(np.int16) - direction + 1) % DIRECTIONS
            near = weak & (turned < _TURNS)
            parts = line_parts(near, direction, shortest)
            if parts is not None:
                yield Candidates(
                    line_measures(parts, layer, polarity=polarity),
                    parts.pixels,
                    parts.owners,
                )


def speck_candidates(pixels: npt.NDArray[np.uint8], grey: Floats) -> Iterator[Candidates]:
    """Yield specks, up to 120 pixels large and 9 broad, of `pixels`, as `line_candidates`."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_SPECK, _SPECK))
    opened = cv2.morphologyEx(grey, cv2.MORPH_OPEN, kernel)
    closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, kernel)
    strongest = cv2.max(grey - opened, closed - grey)
    activity = _activity(strongest)
    measured = SpeckSurroundings(
        grey=grey,
        soft=cv2.blur(grey, (5, 5)),
        activity=activity,
        chroma=_chroma(pixels),
        slope=cv2.magnitude(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 8,
        bend=_bend(grey),
        dense=cv2.blur((strongest / (_SPECK_FLOOR + 2 * activity) > 1).astype(np.float32), _NEAR),
    )
    for polarity, ground in enumerate((opened, closed)):
        height = cv2.absdiff(grey, ground)
        score = height / (_SPECK_FLOOR + 2 * activity)
        common = score > 1
        place = SpeckLayer(
            measured,
            height=height,
            score=score,
            spread=_spread(ground, 15),
            around=cv2.blur(common.astype(np.float32), _AROUND),
            common=float(common.mean()),
        )
        for level in _SPECK_LEVELS:
            parts = speck_parts(score > level)
            if parts is not None:
                yield Candidates(
                    speck_measures(parts, place, level=level, polarity=polarity),
                    parts.pixels,
                    parts.owners,
                )


def _activity(strength: Floats) -> Floats:
    """Return how strong lines or specks are all around, (H, W): what texture shows everywhere.

    The upper quartile of each block of 16 pixels, and the median of five blocks each way: one
    scratch does not raise it.
    """
    height, width = strength.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    beyond = ((0, rows * _BLOCK - height), (0, columns * _BLOCK - width))
    blocks = np.pad(strength, beyond, mode="edge").reshape(rows, _BLOCK, columns, _BLOCK)
    values = blocks.transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    quartile = cv2.medianBlur(np.percentile(values, 75, axis=2).astype(np.float32), 5)
    activity: Floats = cv2.resize(quartile, (width, height), interpolation=cv2.INTER_LINEAR)
    return activity


def _bend(grey: Floats) -> Floats:
    """Return how sharply tones bend, (H, W): how crisp an edge is."""
    bend: Floats = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    return bend


def _chroma(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return how far each pixel is from grey: its highest channel less its lowest."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:  # noqa: PLR2004 (cv2 drops a single channel)
        return np.zeros(pixels.shape[:2], np.float32)
    width: npt.NDArray[np.uint8] = pixels.max(axis=2) - pixels.min(axis=2)
    return width.astype(np.float32)


def _spread(values: Floats, side: int) -> Floats:
    """Return the standard deviation of `values` in the square around each pixel."""
    mean = cv2.blur(values, (side, side))
    variance: Floats = np.maximum(cv2.blur(values * values, (side, side)) - mean * mean, 0)
    return np.sqrt(variance)
