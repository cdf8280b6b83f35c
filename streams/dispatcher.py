"""The dispatcher: hands waiting jobs to the workers, in turn, alone."""

from collections.abc import Mapping

from psycopg import Connection

from domain.jobs.queue import operations_waiting
from domain.pipeline.dispatch import dispatch
from domain.pipeline.record import QUEUE_CHANNEL
from infra.clock import Clock
from infra.settings import Settings
from schemas.operations import OperationName

SLOTS_TO_CAP = 2
"""Jobs in flight per slot: one that runs, and one that is on its way."""


def caps(settings: Settings) -> dict[OperationName, int]:
    """Return how many jobs of each operation may be in flight."""
    return {operation: SLOTS_TO_CAP * slots for operation, slots in settings.slots().items()}


class Dispatcher:
    """Keeps as many jobs in flight as the caps allow."""

    channel = QUEUE_CHANNEL
    interval_s = 0.1

    def __init__(self, caps: Mapping[OperationName, int], clock: Clock) -> None:
        self._caps = caps
        self._clock = clock
        self._served = dict.fromkeys(caps, "")

    def step(self, conn: Connection) -> bool:
        """Take one turn over the operations that have work, each in a transaction of its own."""
        for operation in operations_waiting(conn):
            with conn.transaction():
                turn = dispatch(
                    conn,
                    operation,
                    cap=self._caps[operation],
                    after_account=self._served[operation],
                    clock=self._clock,
                )
            self._served[operation] = turn.last_account
        return False
