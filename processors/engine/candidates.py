"""What in a picture could be a scratch, a fold or dust, and what there is to know of each.

Nothing is decided here: a candidate is a connected part that stands out, with some twenty
measures of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.line_filter import DIRECTIONS, Floats, LineMap, line_maps, segment

Marks = npt.NDArray[np.bool_]

_BLOCK = 16
_GAP = 9
_TURNS = 4
_BRIDGED = 0.02
_LINE_FLOOR, _SPECK_FLOOR = 4.0, 6.0
_SPECK = 9
_SPECK_LEVELS = (1.0, 2.0, 4.0)
_SPECK_SIZES = (3, 120)
_LONGEST_SPECK = 45
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
    measured = _LineSurroundings(
        activity,
        _chroma(cv2.blur(pixels, (3, 3))),
        cv2.blur(grey, (31, 31)),
        _spread(grey, 31),
        strongest / (_LINE_FLOOR + 2 * activity) > 1,
    )
    for polarity, lines in enumerate(maps):
        score = lines.strength / (_LINE_FLOOR + 2 * activity)
        weak = score > 1
        around = cv2.blur(weak.astype(np.float32), _AROUND)
        for direction in range(0, DIRECTIONS, 2):
            # Some neighbouring directions: lines bend.
            turned = (lines.direction.astype(np.int16) - direction + 1) % DIRECTIONS
            near = weak & (turned < _TURNS)
            parts = _line_parts(near, direction, shortest)
            if parts is not None:
                yield Candidates(
                    _line_measures(parts, lines, score, around, measured, polarity=polarity),
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
    chroma = _chroma(pixels)
    slope = cv2.magnitude(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 8
    dense = cv2.blur((strongest / (_SPECK_FLOOR + 2 * activity) > 1).astype(np.float32), _NEAR)
    sides = ((grey - opened, opened), (closed - grey, closed))
    for polarity, (height, ground) in enumerate(sides):
        score = height / (_SPECK_FLOOR + 2 * activity)
        spread = _spread(ground, 15)
        common = score > 1
        around = cv2.blur(common.astype(np.float32), _AROUND)
        for level in _SPECK_LEVELS:
            parts = _speck_parts(score > level)
            if parts is None:
                continue
            mean, peak = parts.mean, parts.highest(height)
            tone = mean(grey)
            longer = np.maximum(*parts.sides)
            rise = mean(height)
            yield Candidates(
                np.stack(
                    [
                        np.log(peak + 1),
                        np.log(rise + 1),
                        np.log(mean(activity) + 2),
                        np.log(parts.sizes),
                        parts.sizes / (parts.sides[0] * parts.sides[1]),
                        np.minimum(*parts.sides) / longer,
                        np.log(mean(chroma) + 5),
                        np.log((tone if polarity else 255 - tone) + 8),
                        np.log(mean(spread) + 1),
                        np.log((mean(slope) + 1) / (peak + 1)),
                        mean(dense),
                        np.full(len(peak), float(polarity)),
                        np.log((peak + 1) / (mean(spread) + 3)),
                        np.log(longer),
                        np.log(mean(around) + 0.003),
                        np.full(len(peak), np.log(float(common.mean()) + 0.003)),
                        mean(score),
                        np.full(len(peak), np.log(level)),
                        np.log((rise + 1) / (peak + 1)),
                    ],
                    axis=1,
                ),
                parts.pixels,
                parts.owners,
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
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


@dataclass(frozen=True, slots=True, eq=False)
class _LineSurroundings:
    activity: Floats
    chroma: Floats
    ground: Floats
    spread: Floats
    lined: npt.NDArray[np.bool_]


def _line_measures(
    parts: _Parts,
    lines: LineMap,
    score: Floats,
    around: Floats,
    place: _LineSurroundings,
    *,
    polarity: int,
) -> npt.NDArray[np.float64]:
    mean = parts.mean
    strength, tone = mean(lines.strength), mean(lines.tone)
    tone_spread, spread = parts.deviation(lines.tone), mean(place.spread)
    extent = np.hypot(*parts.sides)
    near = cv2.blur(place.lined.astype(np.float32), _NEAR)
    shared = float((score > 1).mean()), float(place.lined.mean())
    return np.stack(
        [
            np.log(strength + 1),
            np.log((mean(lines.asymmetry) + 1) / (strength + 1)),
            np.log(mean(place.activity) + 2),
            np.log(extent),
            np.log(extent / min(score.shape)),
            parts.sizes / extent,
            np.log((tone_spread + 2) / (strength + 2)),
            parts.deviation(lines.strength) / np.maximum(strength, 1),
            np.log(mean(place.chroma) + 5),
            np.log(np.maximum(tone if polarity else 255 - tone, 0) + 8),
            np.log(spread + 3),
            mean(near),
            np.log((parts.deviation(place.ground) + 3) / (tone_spread + 3)),
            np.full(len(strength), float(polarity)),
            np.log((strength + 1) / (spread + 3)),
            np.log(mean(around) + 0.01),
            np.full(len(strength), np.log(shared[0] + 0.01)),
            np.full(len(strength), np.log(shared[1] + 0.01)),
            mean(score),
        ],
        axis=1,
    )


def _line_parts(near: npt.NDArray[np.bool_], direction: int, shortest: float) -> _Parts | None:
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


def _speck_parts(raised: npt.NDArray[np.bool_]) -> _Parts | None:
    def is_speck(sizes: npt.NDArray[np.int64], sides: npt.NDArray[np.float64]) -> Marks:
        least, most = _SPECK_SIZES
        kept: Marks = (sizes >= least) & (sizes <= most) & (sides.max(axis=0) <= _LONGEST_SPECK)
        return kept

    return _parts(raised, raised.astype(np.uint8), is_speck)


def _parts(
    members: Marks,
    joined: npt.NDArray[np.uint8],
    wanted: Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], Marks],
) -> _Parts | None:
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
    return _Parts(pixels[chosen], renamed[owners[chosen]], sizes[kept], sides[:, kept])


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
