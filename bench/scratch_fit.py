"""Fits the judges of the scratch detector: `python -m bench.scratch_fit` writes them anew.

They learn from the photographs of scikit-image with drawn damage, and without. What they are
worth is told by photographs that they did not learn from: three times a third is held out.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.old_prints import OldPrint, damaged
from bench.pictures import DETAILS, PHOTOGRAPHS, photograph
from processors.engine import scratch_mask
from processors.engine.scratch_mask import SEARCHES, Judge, candidates_in, expanded

_SEEDS = (101, 102)
_PENALTY = 1e-3
_STEPS = 25
_MOSTLY = 0.5
_TOLERANCE = 2
_CLEAN = 3.0
"""What is taken for damage in a clean picture weighs that many times as much."""

Lesson = tuple[str, str, npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def lessons(name: str) -> list[Lesson]:
    """Return search, photograph, measures, truth (0 or 1) and weight of all its candidates."""
    pixels = photograph(name)
    clean = OldPrint(pixels, {"none": np.zeros(pixels.shape[:2], np.bool_)})
    learned = []
    for print_ in (clean, *(damaged(pixels, seed) for seed in _SEEDS)):
        truth = near(np.any(list(print_.truth.values()), axis=0))
        for search, size, found in candidates_in(print_.pixels):
            scaled = cv2.resize(truth.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
            hits = scaled.reshape(-1)[found.pixels]
            count = np.bincount(found.owners, minlength=len(found.measures))
            part = np.bincount(found.owners, hits, len(found.measures)) / count
            right = (part > _MOSTLY).astype(np.float64)
            weight = np.sqrt(count) * (_CLEAN if print_ is clean else 1.0)
            learned.append((search, name, found.measures, right, weight))
    return learned


def near(marks: npt.NDArray[np.bool_], reach: int = _TOLERANCE) -> npt.NDArray[np.bool_]:
    """Return where a mark is within `reach` pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.asarray(cv2.dilate(marks.astype(np.uint8), kernel), np.bool_)


def fit(learned: list[Lesson]) -> dict[str, Judge]:
    """Return the judge of each search; deterministic."""
    return {search: _fitted(search, learned) for search in SEARCHES}


def _fitted(search: str, learned: list[Lesson]) -> Judge:
    chosen = [lesson for lesson in learned if lesson[0] == search]
    measures, truth, weight = (
        np.concatenate([lesson[part] for lesson in chosen]) for part in (2, 3, 4)
    )
    mean, scale = measures.mean(axis=0), measures.std(axis=0) + 1e-6
    width = measures.shape[1]
    count = width + 1 + width * (width + 1) // 2
    terms = expanded((measures - mean) / scale, count)
    weight /= weight.sum()
    # Ridge regression of the odds, by Newton's method.
    held = np.append(np.full(count - 1, _PENALTY), 0.0)

    weights = np.zeros(count)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(terms @ weights, -30, 30)))
        slope = terms.T @ (weight * (chance - truth)) + 2 * held * weights
        bend = (terms * (weight * chance * (1 - chance))[:, np.newaxis]).T @ terms
        weights -= np.linalg.solve(bend + np.diag(2 * held + 1e-9), slope)
    return Judge(mean, scale, weights)


def write(by: Mapping[str, Judge], path: Path) -> None:
    """Write the judges as JSON, six digits a number."""
    stored = {
        name: {
            "mean": _rounded(judge.mean),
            "scale": _rounded(judge.scale),
            "weights": _rounded(judge.weights),
        }
        for name, judge in by.items()
    }
    path.write_text(json.dumps(stored, indent=1) + "\n")


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def main() -> None:
    """Fit on all photographs, write the judges, and tell what held-out photographs say."""
    from bench.scratches import measure_all  # noqa: PLC0415 (it reads the judges written here)

    names = [*PHOTOGRAPHS, *DETAILS]
    learned = [lesson for name in names for lesson in lessons(name)]
    write(fit(learned), Path(scratch_mask.__file__).with_name("scratch_mask.json"))
    for third in range(3):
        held_out = names[third::3]
        by = fit([lesson for lesson in learned if lesson[1] not in held_out])
        measure_all(held_out, by)


if __name__ == "__main__":
    main()
