"""What there is to know of a line: whether it lies on the picture, or is part of what it shows.

A scratch has the same picture on both of its sides, crosses what it meets without following it,
is crisp and of its own colour, and stands alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.engine.line_filter import DIRECTIONS, Floats, LineMap
from processors.engine.parts import Marks, Parts, Values

_CROWDED = (7, 11, 16)
_ANGLES = np.pi * np.arange(DIRECTIONS) / DIRECTIONS


@dataclass(frozen=True, slots=True, eq=False)
class LineSurroundings:
    """The picture that lines lie in, (H, W) each: tones, how lively, coloured and lined it is."""

    grey: Floats
    soft: Floats
    activity: Floats
    chroma: Floats
    ground: Floats
    spread: Floats
    bend: Floats
    lined: Marks
    near: Floats


@dataclass(frozen=True, slots=True, eq=False)
class LineLayer:
    """All bright or all dark lines of a picture: how clear each is, and how many are around."""

    place: LineSurroundings
    lines: LineMap
    score: Floats
    around: Floats
    shared: tuple[float, float]


def line_measures(parts: Parts, layer: LineLayer, *, polarity: int) -> Values:
    """Return the measures of each part, float64 (parts, measures); dark lines have polarity 1."""
    place, lines, mean = layer.place, layer.lines, parts.mean
    strength, tone = mean(lines.strength), mean(lines.tone)
    tone_spread, spread = parts.deviation(lines.tone), mean(place.spread)
    extent = np.hypot(*parts.sides)
    return np.stack(
        [
            np.log(strength + 1),
            np.log((mean(lines.asymmetry) + 1) / (strength + 1)),
            np.log(mean(place.activity) + 2),
            np.log(extent),
            np.log(extent / min(layer.score.shape)),
            parts.sizes / extent,
            np.log((tone_spread + 2) / (strength + 2)),
            parts.deviation(lines.strength) / np.maximum(strength, 1),
            np.log(mean(place.chroma) + 5),
            np.log(np.maximum(tone if polarity else 255 - tone, 0) + 8),
            np.log(spread + 3),
            mean(place.near),
            np.log((parts.deviation(place.ground) + 3) / (tone_spread + 3)),
            np.full(len(strength), float(polarity)),
            np.log((strength + 1) / (spread + 3)),
            np.log(mean(layer.around) + 0.01),
            np.full(len(strength), np.log(layer.shared[0] + 0.01)),
            np.full(len(strength), np.log(layer.shared[1] + 0.01)),
            mean(layer.score),
            *_across(parts, layer, sign=1 - 2 * polarity),
            *_shape(parts, layer.score.shape[1]),
        ],
        axis=1,
    )


def _across(parts: Parts, layer: LineLayer, *, sign: int) -> list[Values]:
    """Return what the tones across the line tell: at it, beside it, and farther to both sides."""
    place, mean = layer.place, parts.average
    at = _sampler(parts, layer.lines.direction)
    core = at(place.soft, 0)
    (left4, right4), (left7, right7), (left11, right11) = (
        (at(place.soft, aside), at(place.soft, -aside)) for aside in (4, 7, 11)
    )
    left, right = (left4 + left7) / 2, (right4 + right7) / 2
    side = (left + right) / 2
    rise = sign * (core - side)
    contrast = np.maximum(mean(rise), 0) + 1
    own = contrast[parts.owners] / 2
    above = (sign * (core - left4) > own) & (sign * (core - right4) > own)
    thin = mean(sign * (at(place.grey, 0) - (at(place.grey, 2) + at(place.grey, -2)) / 2))

    def together(first: Values, second: Values) -> Values:
        return mean(first * second) - mean(first) * mean(second)

    def apart(values: Values) -> Values:
        return np.sqrt(np.maximum(together(values, values), 0))

    crisp = mean(at(place.bend, 0)) + 1
    coloured = mean(at(place.chroma, 0)) + 4
    return [
        np.log(contrast),
        np.log((np.abs(mean(left4 - right4)) + 1) / contrast),
        np.log((np.abs(mean(left11 - right11)) + 1) / contrast),
        np.log((mean(np.abs(left7 - right7)) + 1) / contrast),
        together(left, right) / (apart(left) * apart(right) + 9),
        np.clip(together(core, side) / (apart(side) ** 2 + 16), -2, 2),
        np.log((apart(rise) + 1) / contrast),
        mean(above),
        np.log((mean(np.abs(left4 - left11) + np.abs(right4 - right11)) + 1) / contrast),
        np.log((apart(side) + 2) / (contrast + 2)),
        np.clip(thin / contrast, -1, 2),
        np.log(coloured / (mean(at(place.chroma, 5) + at(place.chroma, -5)) / 2 + 4)),
        *(mean((at(place.lined, aside) + at(place.lined, -aside)) / 2) for aside in _CROWDED),
        np.log(crisp / (contrast + 1)),
        np.log(crisp / (mean(at(place.bend, 8) + at(place.bend, -8)) / 2 + 1)),
    ]


def _shape(parts: Parts, width: int) -> list[Values]:
    """Return how long, how broad and how straight each part is."""
    _, _, along, broad = parts.axes(width)
    length = along * np.sqrt(12)
    return [np.log(broad), np.log(length), np.log(broad / length)]


def _sampler(
    parts: Parts, directions: npt.NDArray[np.uint8]
) -> Callable[[Floats | Marks, int], Values]:
    """Return what reads a picture some pixels aside of each pixel of the parts' lines."""
    height, width = directions.shape
    row, column = np.divmod(parts.pixels, width)
    direction = directions.reshape(-1)[parts.pixels]

    def at(values: Floats | Marks, aside: int) -> Values:
        over = np.rint(-np.sin(_ANGLES) * aside).astype(np.int64)[direction]
        down = np.rint(np.cos(_ANGLES) * aside).astype(np.int64)[direction]
        x, y = np.clip(column + over, 0, width - 1), np.clip(row + down, 0, height - 1)
        return np.asarray(values.reshape(-1)[y * width + x], np.float64)

    return at
