"""Fits the judges of the scratch detector: `python -m bench.scratch_fit` writes them anew.

They learn from the photographs of scikit-image and from drawn pictures full of lines, as they
are, larger, smaller and mirrored as a negative, with drawn damage and without. What they are
worth is told by those that they did not learn from: six times a sixth is held out, a drawn
picture with all others of its kind.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench import clean_pictures
from bench.boosting import boosted
from bench.clean_pictures import clean_picture
from bench.old_prints import damaged
from bench.pictures import DETAILS, PHOTOGRAPHS, photograph
from processors.engine import scratch_mask
from processors.engine.judge import SEARCHES, Judge
from processors.engine.scratch_mask import candidates_in

_SEEDS = (101, 102)
_DRAWN_SEEDS, _DRAWN_DAMAGED = 8, 4
_MOSTLY = 0.5
_TOLERANCE = 2
_CLEAN = 3.0
"""What is taken for damage in a clean picture weighs that many times as much."""
_PARTS = 6
_LONGEST = 900

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a search found in a picture: measures, truth (0 or 1) and weight of each candidate."""

    search: str
    subject: str
    measures: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]


def photograph_lessons(name: str) -> Iterator[Lesson]:
    """Yield what is to be learned from a photograph and from variants of it."""
    pixels = photograph(name)
    yield from _clean(name, pixels)
    for seed in _SEEDS:
        yield from _damaged(name, pixels, seed)
    for number, variant in enumerate(_variants(pixels)):
        yield from _clean(name, variant, 1.0)
        yield from _damaged(name, variant, _SEEDS[-1] + 1 + number)


def drawn_lessons(kind: str) -> Iterator[Lesson]:
    """Yield what is to be learned from the drawn pictures of a kind."""
    for seed in range(_DRAWN_SEEDS):
        pixels = clean_picture(kind, seed)
        yield from _clean(kind, pixels)
        if seed < _DRAWN_DAMAGED:
            yield from _damaged(kind, pixels, 200 + seed)


def _variants(pixels: Picture) -> Iterator[Picture]:
    height, width, _ = pixels.shape
    small = (int(width * 0.6), int(height * 0.6))
    yield _deep(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA))
    yield ((255 - pixels[:, ::-1]) * 0.8 + 20).astype(np.uint8)
    large = (int(width * 1.5), int(height * 1.5))
    enlarged = cv2.resize(pixels, large, interpolation=cv2.INTER_CUBIC)
    yield _deep(enlarged[:_LONGEST, :_LONGEST])


def _deep(pixels: npt.NDArray[np.integer]) -> Picture:
    return np.asarray(pixels, np.uint8).reshape(*pixels.shape[:2], -1)


def _clean(subject: str, pixels: Picture, weight: float = _CLEAN) -> Iterator[Lesson]:
    yield from _lessons(subject, pixels, np.zeros(pixels.shape[:2], np.bool_), weight)


def _damaged(subject: str, pixels: Picture, seed: int) -> Iterator[Lesson]:
    print_ = damaged(pixels, seed)
    truth = near(np.any(list(print_.truth.values()), axis=0))
    yield from _lessons(subject, print_.pixels, truth, 1.0)


def _lessons(
    subject: str, pixels: Picture, truth: npt.NDArray[np.bool_], weight: float
) -> Iterator[Lesson]:
    for search, size, found in candidates_in(pixels):
        scaled = cv2.resize(truth.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
        hits = scaled.reshape(-1)[found.pixels]
        count = np.bincount(found.owners, minlength=len(found.measures))
        part = np.bincount(found.owners, hits, len(found.measures)) / count
        right = (part > _MOSTLY).astype(np.float64)
        yield Lesson(search, subject, found.measures, right, np.sqrt(count) * weight)


def near(marks: npt.NDArray[np.bool_], reach: int = _TOLERANCE) -> npt.NDArray[np.bool_]:
    """Return where a mark is within `reach` pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.asarray(cv2.dilate(marks.astype(np.uint8), kernel), np.bool_)


def fit(learned: list[Lesson]) -> dict[str, Judge]:
    """Return the judge of each search; deterministic."""
    by = {}
    for search in SEARCHES:
        chosen = [lesson for lesson in learned if lesson.search == search]
        by[search] = boosted(
            np.concatenate([lesson.measures for lesson in chosen]),
            np.concatenate([lesson.truth for lesson in chosen]),
            np.concatenate([lesson.weight for lesson in chosen]),
        )
    return by


def write(by: Mapping[str, Judge], path: Path) -> None:
    """Write the judges as JSON, a line a table, few digits a number."""
    tables = []
    for name, judge in by.items():
        rows = {
            "constant": round(judge.constant, 4),
            "asked": judge.asked.tolist(),
            "levels": [[float(f"{level:.6g}") for level in own] for own in judge.levels],
            "leaves": [[round(float(leaf), 4) for leaf in own] for own in judge.leaves],
        }
        lines = (f'"{key}":{json.dumps(row, separators=(",", ":"))}' for key, row in rows.items())
        tables.append(f'"{name}":{{\n' + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(tables) + "\n}\n")


def main() -> None:
    """Fit on all pictures, write the judges, and tell what held-out pictures say."""
    from bench.scratches import measure_all, shares_of, total  # noqa: PLC0415 (it imports this)

    photographs, drawn = [*PHOTOGRAPHS, *DETAILS], clean_pictures.KINDS
    learned = [lesson for name in photographs for lesson in photograph_lessons(name)]
    learned += [lesson for kind in drawn for lesson in drawn_lessons(kind)]
    write(fit(learned), Path(scratch_mask.__file__).with_name("scratch_mask.json"))
    sums = []
    for part in range(_PARTS):
        held_out = {*photographs[part::_PARTS], *drawn[part::_PARTS]}
        by = fit([lesson for lesson in learned if lesson.subject not in held_out])
        sums.append(measure_all(sorted(held_out), by))
    print("held out, together", shares_of(total(sums)))


if __name__ == "__main__":
    main()
