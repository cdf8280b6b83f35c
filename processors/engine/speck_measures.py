"""What there is to know of a speck: whether dust lies there, or a small thing is shown."""

from dataclasses import dataclass

import numpy as np

from processors.engine.line_filter import Floats
from processors.engine.parts import Parts, Values

_RAYS = 12
_NEAR, _FAR = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class SpeckSurroundings:
    """The picture that specks lie in, (H, W) each: tones, how lively and coloured it is."""

    grey: Floats
    soft: Floats
    activity: Floats
    chroma: Floats
    slope: Floats
    bend: Floats
    dense: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SpeckLayer:
    """All bright or all dark specks: how high each stands, and how many are around."""

    place: SpeckSurroundings
    height: Floats
    score: Floats
    spread: Floats
    around: Floats
    common: float


def speck_measures(parts: Parts, layer: SpeckLayer, *, level: float, polarity: int) -> Values:
    """Return the measures of each part, float64 (parts, measures); dark specks have polarity 1."""
    place, mean = layer.place, parts.mean
    peak, rise, tone = parts.highest(layer.height), mean(layer.height), mean(place.grey)
    longer, spread = np.maximum(*parts.sides), mean(layer.spread)
    x, y, along, broad = parts.axes(place.grey.shape[1])
    crisp, coloured = mean(place.bend) + 1, mean(place.chroma) + 4
    reach = along + broad + _NEAR
    return np.stack(
        [
            np.log(peak + 1),
            np.log(rise + 1),
            np.log(mean(place.activity) + 2),
            np.log(parts.sizes),
            parts.sizes / (parts.sides[0] * parts.sides[1]),
            np.minimum(*parts.sides) / longer,
            np.log(coloured + 1),
            np.log((tone if polarity else 255 - tone) + 8),
            np.log(spread + 1),
            np.log((mean(place.slope) + 1) / (peak + 1)),
            mean(place.dense),
            np.full(len(peak), float(polarity)),
            np.log((peak + 1) / (spread + 3)),
            np.log(longer),
            np.log(mean(layer.around) + 0.003),
            np.full(len(peak), np.log(layer.common + 0.003)),
            mean(layer.score),
            np.full(len(peak), np.log(level)),
            np.log((rise + 1) / (peak + 1)),
            *_uneven(_ring(place.soft, x, y, reach), _ring(layer.height, x, y, reach), rise),
            np.log(coloured / (_ring(place.chroma, x, y, reach).mean(axis=0) + 4)),
            np.log(crisp / (_ring(place.bend, x, y, reach).mean(axis=0) + 1)),
            *_uneven(
                _ring(place.soft, x, y, 2 * along + _FAR),
                _ring(layer.height, x, y, 2 * along + _FAR),
                rise,
            ),
            np.log(broad),
            np.log(along / broad),
            np.log(parts.sizes / (4 * np.pi * along * broad)),
            np.log(crisp / (rise + 1)),
        ],
        axis=1,
    )


def _uneven(tones: Values, heights: Values, rise: Values) -> list[Values]:
    """Return how even the ground around is, and what else stands out there, against the rise."""
    across = np.abs(tones[: _RAYS // 2] - tones[_RAYS // 2 :])
    told = (tones.std(axis=0), across.max(axis=0), heights.max(axis=0), heights.mean(axis=0))
    return [np.log((value + 1) / (rise + 1)) for value in told]


def _ring(values: Floats, x: Values, y: Values, reach: Values) -> Values:
    """Return `values` on a ring around each middle, (rays, parts)."""
    height, width = values.shape
    turns = 2 * np.pi * np.arange(_RAYS)[:, np.newaxis] / _RAYS
    column = np.clip(np.rint(x + reach * np.cos(turns)), 0, width - 1).astype(np.int64)
    row = np.clip(np.rint(y + reach * np.sin(turns)), 0, height - 1).astype(np.int64)
    return np.asarray(values.reshape(-1)[row * width + column], np.float64)
