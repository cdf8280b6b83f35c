"""How a worker tells that it lives, and with how many slots: by that the queue is measured."""

import threading

from domain.jobs.workers import BEAT_S, Slots
from domain.pipeline.attend import attend, leave
from infra.clock import Clock
from infra.logs import logger
from infra.postgres import Pool
from infra.world import WORLD_ERRORS

_log = logger(__name__)


class Presence:
    """One worker's word that it lives. A database that is away is told at the next beat."""

    def __init__(self, pool: Pool, clock: Clock, *, worker: str, slots: Slots) -> None:
        self._pool = pool
        self._clock = clock
        self._worker = worker
        self._slots = slots

    def beat(self) -> None:
        """Tell that the worker lives."""
        try:
            with self._pool.connection() as conn:
                attend(conn, self._worker, self._slots, clock=self._clock)
        except WORLD_ERRORS as error:
            _log.warning("presence_not_told", worker=self._worker, error=str(error))

    def leave(self) -> None:
        """Tell that the worker takes no more work."""
        try:
            with self._pool.connection() as conn:
                leave(conn, self._worker)
        except WORLD_ERRORS as error:
            _log.warning("presence_not_told", worker=self._worker, error=str(error))

    def keep(self, stopping: threading.Event) -> None:
        """Beat until `stopping` is set, and then leave."""
        self.beat()
        while not stopping.wait(BEAT_S):
            self.beat()
        self.leave()
