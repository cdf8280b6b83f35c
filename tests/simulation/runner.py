"""Many runs, each on a database of its own, shared out among processes."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from infra.stack.isolation import make_template, own_database
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.play import Outcome, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings

HARSH: Final = 5.0
"""In which measure trouble comes upon builds that are broken on purpose."""


class Runner:
    """Plays seeds on a stack's Postgres."""

    def __init__(self, settings: Settings, template: str, pool: ProcessPoolExecutor) -> None:
        self._settings = settings
        self._template = template
        self._pool = pool

    def outcomes(self, seeds: Iterable[int], *, mutant: int | None = None) -> Iterator[Outcome]:
        """Play seeds, perhaps of a mutant; yield what they came to, in their order."""
        measure = 1.0 if mutant is None else HARSH
        play_one = partial(_play, self._settings, self._template, mutant, measure)
        return self._pool.map(play_one, seeds)

    def hunts(self, mutants: Iterable[int], *, seeds: int) -> Iterator[Outcome]:
        """Play each mutant (by its place) until a seed finds it, or `seeds` did not."""
        return self._pool.map(partial(_hunt, self._settings, self._template, seeds), mutants)


@contextmanager
def runner(settings: Settings, *, processes: int | None = None) -> Iterator[Runner]:
    """Give a runner on a stack whose settings name the owner of its database."""
    # Sets are walked in the order of hashes: with those fixed, a seed is the same everywhere.
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        with ProcessPoolExecutor(
            processes or os.cpu_count(),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_be_quiet,
        ) as pool:
            yield Runner(settings, make_template(settings), pool)
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _be_quiet() -> None:
    """Say nothing of the thousands of faults that are waited out."""
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())


def _play(
    settings: Settings, template: str, mutant: int | None, measure: float, seed: int
) -> Outcome:
    with own_database(settings, template) as database:
        breaking = nullcontext() if mutant is None else mutated(MUTANTS[mutant], database.owner_url)
        with breaking:
            return play(seed, database.app_url, measure=measure)


def _hunt(settings: Settings, template: str, seeds: int, mutant: int) -> Outcome:
    for seed in range(seeds):
        outcome = _play(settings, template, mutant, HARSH, seed)
        if outcome.findings:
            break
    return outcome
