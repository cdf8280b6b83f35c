"""The dispatcher: hands waiting jobs to the workers, in turn, alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from domain.jobs import pace, workers
from domain.jobs.pace import Pace
from domain.jobs.queue import operations_waiting
from domain.jobs.turns import EVEN
from domain.jobs.workers import SLOTS_TO_CAP
from domain.pipeline.dispatch import BATCH, Turn, dispatch
from domain.pipeline.record import QUEUE_CHANNEL
from infra.clock import Clock
from infra.settings import Settings
from schemas.operations import OperationName

LOOK_S: Final = 1.0
"""How often it looks which workers there are, and tells how fast the lines move."""


LOST_S: Final = 10.0
"""Turns further apart than this say nothing of how fast a line moves: there was no dispatcher."""


def caps(settings: Settings) -> dict[OperationName, int]:
    """Return how many jobs of each operation may be in flight for one worker."""
    return {operation: SLOTS_TO_CAP * slots for operation, slots in settings.slots().items()}


class Dispatcher:
    """Keeps as many jobs in flight as the live workers have use for.

    Where the accounts stand in turn is known here alone: after a start everybody begins equal.
    """

    channel = QUEUE_CHANNEL
    interval_s = 0.1

    def __init__(self, least: Mapping[OperationName, int], clock: Clock) -> None:
        """Prepare it; `least` are the caps while no worker tells of more slots."""
        self._least = least
        self._clock = clock
        self._caps = workers.caps({}, least=least)
        self._looked_at: datetime | None = None
        self._turns: dict[OperationName, Turn] = {}
        self._paces: dict[OperationName, _Watched] = {op: _Watched() for op in OperationName}

    def step(self, conn: Connection) -> bool:
        """Take one turn over the operations that have work, each in a transaction of its own."""
        self._look(conn)
        waiting = [op for op in operations_waiting(conn) if op in self._caps.operations]
        # A line that is empty has nothing to remember.
        self._turns = {op: turn for op, turn in self._turns.items() if op in waiting}
        for operation in waiting:
            with conn.transaction():
                turn = dispatch(
                    conn,
                    operation,
                    cap=self._caps.operations[operation],
                    cap_in_all=self._caps.in_all,
                    turns=self._turns[operation].turns if operation in self._turns else EVEN,
                    clock=self._clock,
                )
            self._turns[operation] = turn
        for operation, watched in self._paces.items():
            watched.saw(self._turns.get(operation), self._clock.now())
        return any(turn.dispatched == BATCH for turn in self._turns.values())

    def _look(self, conn: Connection) -> None:
        """Find out which workers there are; note what was seen of the lines meanwhile."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < timedelta(seconds=LOOK_S):
            return
        self._looked_at = now
        with conn.transaction():
            self._caps = workers.caps(workers.live_slots(conn, now), least=self._least)
            for operation, watched in self._paces.items():
                if (seen := watched.take()) is not None:
                    pace.add(conn, operation, seen, now)
            workers.forget(conn, now)
            pace.forget(conn, now)


class _Watched:
    """What was seen of one line since it was last told."""

    def __init__(self) -> None:
        self._jobs = 0
        self._seconds = 0.0
        self._held_up_since: datetime | None = None

    def saw(self, turn: Turn | None, now: datetime) -> None:
        """Note a turn, or that the line is empty. What did not have to wait is not counted."""
        if turn is not None and self._held_up_since is not None:
            held_up_s = (now - self._held_up_since).total_seconds()
            if held_up_s < LOST_S:
                self._seconds += held_up_s
                self._jobs += turn.dispatched
        self._held_up_since = now if turn and turn.held_up else None

    def take(self) -> Pace | None:
        """Return what was seen, and begin anew; None when nothing was."""
        if not self._seconds:
            return None
        seen = Pace(self._jobs, self._seconds)
        self._jobs, self._seconds = 0, 0.0
        return seen
