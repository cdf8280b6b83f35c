"""Telling damage from what a picture shows, by the measures of a candidate."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

SEARCHES: Final = ("lines", "broad-lines", "specks")
_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Weighs the measures of a candidate by boosted trees that ask the same on every branch.

    Tree `t` asks whether measure `asked[t, i]` is `levels[t, i]` or more; the answers, the first
    being the highest bit, are the place in `leaves[t]` of what it adds to `constant`. Trees say
    nothing new of a candidate beyond all that they learned from, where products of measures
    would.
    """

    constant: float
    asked: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]
    leaves: npt.NDArray[np.float64]

    def odds(self, measures: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the logarithm of the odds that each candidate is damage."""
        trees, depth = self.asked.shape
        places = 1 << np.arange(depth)[::-1]
        odds = np.full(len(measures), self.constant)
        for start in range(0, len(measures), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            answers = measures[some][:, self.asked] >= self.levels
            odds[some] += self.leaves[np.arange(trees), answers @ places].sum(axis=1)
        return odds


@functools.cache
def judges() -> Mapping[str, Judge]:
    """Return the judges of each search, fitted by `python -m bench.scratch_fit`."""
    stored = json.loads(files("processors.engine").joinpath("scratch_mask.json").read_text())
    return {
        name: Judge(
            stored[name]["constant"],
            np.array(stored[name]["asked"], np.int64),
            np.array(stored[name]["levels"]),
            np.array(stored[name]["leaves"]),
        )
        for name in SEARCHES
    }
