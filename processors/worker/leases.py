"""The leases of the attempts that this worker runs: kept while there is progress."""

import threading
from collections.abc import Callable, Collection, Mapping
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

HandBack = Callable[[list[tuple[JobId, int]]], Collection[JobId]]
"""Puts attempts back in line for other workers; answers which of them were still ours."""

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

    def progress(self, ahead_s: float = 0.0) -> None:
        """Note that the work goes on, and may for `ahead_s` seconds without another word."""
        self.progress_at = self.time.monotonic() + ahead_s

    def should_stop(self) -> bool:
        """Tell whether the work is to stop at once."""
        return self.lost or self.cancel


class Leases:
    """Renews what runs, every `renewal_s`, all in one statement."""

    def __init__(
        self,
        renew: Renew,
        time: Time,
        *,
        lease_s: float,
        renewal_s: float,
        hand_back: HandBack | None = None,
    ) -> None:
        """Keep leases by `renew`. Without `hand_back` what is given back ends with its lease."""
        self._renew = renew
        self._hand_back = hand_back
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
        self._renew_these(self._going_on())

    def stalled(self) -> bool:
        """Tell whether a job occupies its slot without any progress: nothing will free it."""
        now = self._time.monotonic()
        with self._lock:
            return any(now - held.progress_at >= STALLED_S for held in self._held.values())

    def hand_back(self, lease: Lease) -> None:
        """Give back an attempt that cannot be carried through here, by no fault of its job's.

        It is stopped here, and another worker may take the job at once. When the database is
        away that waits until the lease is over, and counts as one that was lost.
        """
        self._hand_back_these([lease])

    def hand_back_all(self) -> None:
        """Give back every attempt that makes progress, as `hand_back` does.

        One that hangs is not given back: it may be what hangs workers, and counts.
        """
        self._hand_back_these(self._going_on())

    def confirm(self, lease: Lease) -> None:
        """Return only if the attempt is this worker's; ask the database if that may be old news.

        Raises `LeaseLostError`.
        """
        old_news = self._time.monotonic() - lease.renewed_at > self._lease_s - self._renewal_s
        if old_news and not lease.lost:
            self._renew_these([lease])
        if lease.lost:
            raise LeaseLostError(lease.job.id)

    def _going_on(self) -> list[Lease]:
        now = self._time.monotonic()
        with self._lock:
            return [
                held
                for held in self._held.values()
                if not held.lost and now - held.progress_at < STALLED_S
            ]

    def _hand_back_these(self, given: list[Lease]) -> None:
        if self._hand_back is None or not given:
            return
        for lease in given:
            # Not before it stops here does another begin; nor is it renewed.
            lease.lost = True
        try:
            back = self._hand_back([(lease.job.id, lease.job.attempt) for lease in given])
        except WORLD_ERRORS as error:
            _log.warning("leases_not_handed_back", count=len(given), error=str(error))
        else:
            _log.info("handed_back", jobs=sorted(back))

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
