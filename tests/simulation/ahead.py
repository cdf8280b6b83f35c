"""What the simulation's tests ask of, played ahead of them, beside the other tests.

Most of the suite's time is waiting: for a lease to be over, for a server to come back. Seeds wait
for nothing and share no server with another test, so they are played in the time that is left.

`python -m tests.simulation.ahead FOLDER PROCESSES PART...` plays parts and leaves each in a file.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.stack import open_stack
from infra.stack.child import Child, Command, last_lines
from tests.simulation.mutants import MUTANTS
from tests.simulation.runner import runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings
    from tests.simulation.play import Outcome

SEEDS: Final = 300
SEEDS_FOR_A_MUTANT: Final = 100
_LAST_LINES: Final = 60
_REPOSITORY: Final = Path(__file__).parents[2]
_NICE: Final = 10


class Part(StrEnum):
    """What a test can ask for; a fixture of that name gives it."""

    SEEDS = "seeds"
    HUNTS = "hunts"
    TWICE = "twice"


class Ahead:
    """The process that plays `parts`, with so many seeds at once."""

    def __init__(self, parts: list[Part], *, processes: int) -> None:
        self._parts = parts
        self._folder = Path(tempfile.mkdtemp())
        self._log = self._folder / "log"
        self._child = Child.start(
            Command(
                (
                    *(sys.executable, "-m", "tests.simulation.ahead"),
                    *(str(self._folder), str(processes), *parts),
                ),
                _REPOSITORY,
                os.environ,
            ),
            self._log,
        )

    def is_played(self, part: Part) -> bool:
        """Tell whether a part has been played. Raises `RuntimeError` if it never will be."""
        ended = self._child.exit_code()
        if (self._folder / part).exists():
            return True
        if ended is not None:
            raise RuntimeError(f"it ended with {ended}:\n{last_lines(self._log, 40)}")
        return False

    def outcomes(self, part: Part) -> list[Outcome]:
        """Return what came of a part that has been played."""
        played: list[Outcome] = pickle.loads((self._folder / part).read_bytes())  # noqa: S301 - we wrote it
        return played

    def pause(self) -> None:
        """Let it stand still."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it. When it has played everything, it ends by itself."""
        if all((self._folder / part).exists() for part in self._parts):
            self._child.identity.wait_gone(30)
        self._child.kill()
        self._child.sweep()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        # Its servers are in sessions of their own: they have nothing to do while it stands.
        if self._child.exit_code() is None:
            os.killpg(self._child.pid, number)


def _outcomes(part: Part, settings: Settings, processes: int) -> Iterator[Outcome]:
    # The same seed is played by two processes: nothing but itself decides it.
    with runner(settings, processes=2 if part is Part.TWICE else processes) as running:
        match part:
            case Part.SEEDS:
                for outcome in running.outcomes(range(SEEDS)):
                    yield outcome
                    if outcome.findings:
                        return
            case Part.HUNTS:
                yield from running.hunts(range(len(MUTANTS)), seeds=SEEDS_FOR_A_MUTANT)
            case Part.TWICE:
                yield from running.outcomes([7, 7])


def main() -> None:
    """See above."""
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    os.nice(_NICE)
    with open_stack(folder / "stack", durable=False, migrate=False) as stack:
        for part in map(Part, sys.argv[3:]):
            played = [
                replace(outcome, trace=outcome.trace[-_LAST_LINES:])
                for outcome in _outcomes(part, stack.settings(), processes)
            ]
            whole = folder / f"{part}.whole"
            whole.write_bytes(pickle.dumps(played))
            whole.rename(folder / part)


if __name__ == "__main__":
    main()
