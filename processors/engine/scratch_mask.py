"""Finding scratches, dust and folds in a photograph."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from processors.engine.candidates import Candidates, line_candidates, speck_candidates
from processors.engine.judge import Judge, judges
from processors.engine.plan import plan_tiles
from processors.engine.tiled import Cancelled, Progress, ShouldStop

Marks = npt.NDArray[np.bool_]

_TILE, _OVERLAP = 1024, 96
_LARGE = 4_000_000
_SHORTEST = {"lines": 24.0, "broad-lines": 20.0}
_LEAST_SIDE = 16
_CERTAIN, _DOUBTFUL = 2.5, -2.0
_SCRATCHED = 0.008
_MOST_DOUBT = 1.2
_MOST_LINED = 0.06
_MOST_DUSTY = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    """What a search at a size (H, W) found, with the odds that each candidate is damage."""

    search: str
    size: tuple[int, int]
    pixels: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    odds: npt.NDArray[np.float64]


def find_damage(
    pixels: npt.NDArray[np.uint8],
    shown: Marks | None,
    sensitivity: float,
    *,
    progress: Progress,
    should_stop: ShouldStop,
    by: Mapping[str, Judge] | None = None,
) -> Marks:
    """Return where `pixels`, (H, W, 1) or (H, W, 3), are damaged, bool (H, W).

    `sensitivity` 0 finds what is certain, 1 what is possible. What is not `shown` is never
    damaged. Lines are sought at full and at half size, specks at full size, in tiles of 1024
    pixels; pictures over 4 megapixels are searched at half their size, too, for their scratches
    are broader. Where little of a tile is likely to be damage at all, lines must be more certain.
    Where more than 6 % of a tile would be lines, or 2 % specks, they are a pattern, not damage,
    and are left; less strictly above a sensitivity of 0.5. Raises `Cancelled` before the next
    tile.
    """
    by = by or judges()
    height, width, _ = pixels.shape
    found = np.zeros((height, width), np.bool_)
    halves = 2 if height * width > _LARGE else 1
    tiles = plan_tiles(width, height, tile=_TILE, overlap=_OVERLAP)
    steps = len(tiles) + (halves > 1)
    for done, tile in enumerate(tiles):
        if should_stop():
            raise Cancelled
        read, kept = tile.read, tile.kept
        part = pixels[read.top : read.bottom, read.left : read.right]
        marks = _in_tile(part, sensitivity, by)
        found[kept.top : kept.bottom, kept.left : kept.right] = marks[
            kept.top - read.top : kept.bottom - read.top,
            kept.left - read.left : kept.right - read.left,
        ]
        progress(done + 1, steps)
    if halves > 1:
        half = _halved(pixels)
        coarse = find_damage(
            half,
            None,
            sensitivity,
            progress=lambda _done, _total: None,
            should_stop=should_stop,
            by=by,
        )
        found |= _enlarged(coarse, width, height)
        progress(steps, steps)
    return found if shown is None else found & shown


def candidates_in(
    pixels: npt.NDArray[np.uint8],
) -> Iterator[tuple[str, tuple[int, int], Candidates]]:
    """Yield each search's name, the size (H, W) that it was made at, and what it found."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    size = grey.shape[0], grey.shape[1]
    for found in line_candidates(pixels, grey, _SHORTEST["lines"]):
        yield "lines", size, found
    for found in speck_candidates(pixels, grey):
        yield "specks", size, found
    if min(size) >= 2 * _LEAST_SIDE:
        half = _halved(pixels)
        smaller = half.mean(axis=2, dtype=np.float32)
        for found in line_candidates(half, smaller, _SHORTEST["broad-lines"]):
            yield "broad-lines", (half.shape[0], half.shape[1]), found


def _in_tile(pixels: npt.NDArray[np.uint8], sensitivity: float, by: Mapping[str, Judge]) -> Marks:
    height, width, _ = pixels.shape
    found = np.zeros((height, width), np.bool_)
    if min(height, width) < _LEAST_SIDE:
        return found
    weighed = [
        _Weighed(search, size, found_.pixels, found_.owners, by[search].odds(found_.measures))
        for search, size, found_ in candidates_in(pixels)
    ]
    needed = _CERTAIN + (_DOUBTFUL - _CERTAIN) * sensitivity
    doubt = _doubt(weighed, height * width)
    marks: dict[str, Marks] = {}
    for each in weighed:
        marked = marks.setdefault(each.search, np.zeros(each.size, np.bool_))
        chosen = each.odds > (needed if each.search == "specks" else needed + doubt)
        marked.reshape(-1)[each.pixels[chosen[each.owners]]] = True
    more = max(1.0, 1 + 4 * (sensitivity - 0.5))
    for search, marked in marks.items():
        most = _MOST_DUSTY if search == "specks" else _MOST_LINED
        if marked.mean() <= most * more:
            found |= _enlarged(marked, width, height)
    # A pixel more: the soft edge of a scratch would be filled from.
    grown = cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(grown, np.bool_)


def _doubt(weighed: Sequence[_Weighed], area: int) -> float:
    """Return how much better the odds of lines must be where little speaks for any damage.

    What is probably a scratch, for all that is known of it alone, is more so among others. Where
    less than 0.8 % of the picture is, a candidate needs better odds, by 1.2 at most.
    """
    likely = 0.0
    for each in weighed:
        if each.search != "specks":
            chance = 1 / (1 + np.exp(-each.odds))
            surplus = np.maximum(0, chance - 0.5) @ np.bincount(
                each.owners, minlength=len(each.odds)
            )
            likely += float(surplus) * area / (each.size[0] * each.size[1])
    rare = _SCRATCHED / (likely / area + _SCRATCHED / 16)
    return float(np.clip(0.7 * np.log(rare), 0, _MOST_DOUBT))


def _halved(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width, channels = pixels.shape
    half: npt.NDArray[np.uint8] = cv2.resize(
        pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA
    )
    return half.reshape(height // 2, width // 2, channels)


def _enlarged(marks: Marks, width: int, height: int) -> Marks:
    if marks.shape == (height, width):
        return marks
    size = (width, height)
    large = cv2.resize(marks.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, np.bool_)
