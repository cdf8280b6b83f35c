"""Many runs, shared out among processes, of which each has a database of its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Final

import structlog

from infra.stack.isolation import make_template
from tests.simulation.ground import Ground, ground
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.play import Outcome, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings

HARSH: Final = 5.0
"""In which measure trouble comes upon builds that are broken on purpose."""


class Runner:
    """Plays seeds on a stack's Postgres."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def outcomes(self, seeds: Iterable[int], *, mutant: int | None = None) -> Iterator[Outcome]:
        """Play seeds, perhaps of a mutant; yield what they came to, in their order."""
        measure = 1.0 if mutant is None else HARSH
        return self._pool.map(partial(_play, mutant, measure), seeds)

    def hunts(self, mutants: Iterable[int], *, seeds: int) -> Iterator[Outcome]:
        """Play each mutant (by its place) until a seed finds it, or `seeds` did not."""
        return self._pool.map(partial(_hunt, seeds), mutants)


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
            initializer=_begin,
            initargs=(settings, make_template(settings)),
        ) as pool:
            yield Runner(pool)
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _begin(settings: Settings, template: str) -> None:
    """Make this process ready to play, on a ground that goes with it."""
    # Say nothing of the thousands of faults that are waited out.
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    leaving = ExitStack()
    _grounds.append(leaving.enter_context(ground(settings, template)))
    Finalize(None, leaving.close, exitpriority=1)


def _end_with_parent() -> None:
    """A pool's process would wait for ever for work from one that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


_grounds: Final[list[Ground]] = []


def _play(mutant: int | None, measure: float, seed: int) -> Outcome:
    (own,) = _grounds
    breaking = nullcontext() if mutant is None else mutated(MUTANTS[mutant], own.owner_url)
    with breaking:
        outcome = play(seed, own.connections, measure=measure)
    own.clear()
    return outcome


def _hunt(seeds: int, mutant: int) -> Outcome:
    for seed in range(seeds):
        outcome = _play(mutant, HARSH, seed)
        if outcome.findings:
            break
    return outcome
