"""Waiting out the trouble of a server, or of this machine, within one attempt.

Meanwhile the attempt keeps its slot: for another job there would be the same trouble.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from infra import metrics
from infra.clock import Time
from infra.logs import logger
from infra.stored_objects import AccessDenied, StoreUnavailable
from processors.engine.tiled import Cancelled
from processors.sandbox.sandbox import ChildNotStarted
from processors.worker.leases import Lease

STORE_S: Final = 600.0
"""How long an object store that is away is waited for, before the job is given back."""

CHILD_S: Final = 60.0
"""How long a confined process that cannot start is waited for, before the job is given back."""

TRANSFER_S: Final = 3600.0
"""How long one transfer may move; one that stands still is ended by the store's own time-out."""

NOT_THE_JOBS: Final = (StoreUnavailable, AccessDenied, ChildNotStarted)
"""What is raised when that was not long enough. It is no job's fault: it is tried again."""

_STORE_WAITS: Final = metrics.WORLD_WAITS.labels("worker_store")
_CHILD_WAITS: Final = metrics.WORLD_WAITS.labels("worker_child")
_log = logger(__name__)
R = TypeVar("R")


def go_on(lease: Lease) -> None:
    """Note that the work goes on. Raises `Cancelled` if it is to stop."""
    if lease.should_stop():
        raise Cancelled
    lease.progress()


class Patience:
    """Does things again until they come about; each wait counts as progress.

    All raise `Cancelled` once the attempt is to stop.
    """

    def __init__(self, time: Time) -> None:
        self._time = time

    def with_the_store(self, transfer: Callable[[], R], lease: Lease) -> R:
        """Do it, waiting up to `STORE_S` for a store that is away or denies us.

        Raises `StoreUnavailable` or `AccessDenied`.
        """
        deadline = self._time.monotonic() + STORE_S
        pauses = _pauses()
        while True:
            lease.progress(TRANSFER_S)
            try:
                return transfer()
            except (StoreUnavailable, AccessDenied) as error:
                if self._time.monotonic() > deadline:
                    raise
                _log.warning("waiting_for_the_store", job=lease.job.id, error=str(error))
                _STORE_WAITS.inc()
            finally:
                lease.progress()
            self._pause(next(pauses), lease)

    def with_a_child(self, action: Callable[[], R], lease: Lease) -> R:
        """Do it, waiting up to `CHILD_S` for its process to start.

        Memory, or room for a process, may come back. Raises `ChildNotStarted`.
        """
        deadline = self._time.monotonic() + CHILD_S
        pauses = _pauses()
        while True:
            try:
                return action()
            except ChildNotStarted as error:
                # One that is to stop has its process killed, perhaps before it was ready.
                go_on(lease)
                _log.error("decoder_not_started", job=lease.job.id, error=str(error))
                if self._time.monotonic() > deadline:
                    raise
                _CHILD_WAITS.inc()
            self._pause(next(pauses), lease)

    def _pause(self, pause_s: float, lease: Lease) -> None:
        go_on(lease)
        self._time.sleep(pause_s)


def _pauses() -> Iterator[float]:
    """Yield the pauses between tries, in seconds: doubled each time, up to 2."""
    pause = 0.1
    while True:
        yield pause
        pause = min(pause * 2, 2.0)
