"""The leases of the attempts that this worker runs: kept while there is progress."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from domain.jobs.model import Job
from infra import metrics
from infra.clock import Time
from infra.logs import logger
from infra.world import WORLD_ERRORS
from schemas.ids import JobId

STALLED_S: Final = 120.0
"""A job that reports no progress for so long is not renewed: it hangs."""

Renew = Callable[[list[tuple[JobId, int]]], Mapping[JobId, bool]]
"""Renews leases; answers for each that still runs whether it is asked to stop."""

_log = logger(__name__)


class LeaseLostError(Exception):
    """The attempt was taken from this worker: it must stop, and has nothing to report."""


@dataclass(slots=True)
class Lease:
    """What is known of one attempt. Times are those of `time.monotonic`."""

    job: Job
    time: Time
    renewed_at: float
    progress_at: float
    lost: bool = False
    cancel: bool = False
    source_sha256: str | None = None
    """Of the source's bytes, in hexadecimal, once they were read."""

    def progress(self) -> None:
        """Note that the work goes on."""
        self.progress_at = self.time.monotonic()

    def should_stop(self) -> bool:
        """Tell whether the work is to stop at once."""
        return self.lost or self.cancel


class Leases:
    """Renews what runs, every `renewal_s`, all in one statement."""

    def __init__(self, renew: Renew, time: Time, *, lease_s: float, renewal_s: float) -> None:
        self._renew = renew
        self._time = time
        self._lease_s = lease_s
        self._renewal_s = renewal_s
        self._held: dict[tuple[JobId, int], Lease] = {}
        self._lock = threading.Lock()

    def open(self, job: Job) -> Lease:
        """Begin to keep the lease of an attempt that was just claimed.

        Another attempt of the same job that still runs here was taken away by that.
        """
        now = self._time.monotonic()
        lease = Lease(job, self._time, renewed_at=now, progress_at=now)
        with self._lock:
            for held in self._held.values():
                if held.job.id == job.id:
                    _lose(held)
            self._held[job.id, job.attempt] = lease
        return lease

    def close(self, lease: Lease) -> None:
        """Stop keeping a lease."""
        with self._lock:
            self._held.pop((lease.job.id, lease.job.attempt), None)

    def renew_all(self) -> None:
        """Renew every lease whose job makes progress. An error is not a refusal."""
        now = self._time.monotonic()
        with self._lock:
            due = [
                held
                for held in self._held.values()
                if not held.lost and now - held.progress_at < STALLED_S
            ]
        self._renew_these(due)

    def stalled(self) -> bool:
        """Tell whether a job occupies its slot without any progress: nothing will free it."""
        now = self._time.monotonic()
        with self._lock:
            return any(now - held.progress_at >= STALLED_S for held in self._held.values())

    def confirm(self, lease: Lease) -> None:
        """Return only if the attempt is this worker's; ask the database if that may be old news.

        Raises `LeaseLostError`.
        """
        old_news = self._time.monotonic() - lease.renewed_at > self._lease_s - self._renewal_s
        if old_news and not lease.lost:
            self._renew_these([lease])
        if lease.lost:
            raise LeaseLostError(lease.job.id)

    def _renew_these(self, due: list[Lease]) -> None:
        if not due:
            return
        begun = self._time.monotonic()
        try:
            kept = self._renew([(lease.job.id, lease.job.attempt) for lease in due])
        except WORLD_ERRORS as error:
            _log.warning("leases_not_renewed", count=len(due), error=str(error))
            metrics.RENEWAL_FAILURES.inc(len(due))
            return
        for lease in due:
            if lease.job.id in kept:
                lease.renewed_at = begun
                lease.cancel = lease.cancel or kept[lease.job.id]
            else:
                _lose(lease)


def _lose(lease: Lease) -> None:
    if not lease.lost:
        lease.lost = True
        metrics.LEASE_LOSSES.inc()
