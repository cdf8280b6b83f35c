"""What time brings: leases that ended, jobs nobody claimed, jobs that expired."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import restrictions
from domain.jobs import queue, store
from domain.jobs.model import Ending, Job
from domain.pipeline.end import end_batch
from domain.pipeline.record import record
from infra.clock import Clock
from schemas.errors import ErrorCode
from schemas.states import Actor, JobState

UNCLAIMED_AFTER = timedelta(minutes=10)
MAX_LEASE_LOSSES = 3
BATCH = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What one turn found, in jobs."""

    requeued: int
    ended: int


def sweep_leases(conn: Connection, *, clock: Clock) -> Swept:
    """Take jobs from workers whose lease is over.

    Each goes back in line; one whose cancellation was asked for ends cancelled, and one that
    lost its lease for the third time ends failed, since it may be what kills the workers.
    """
    leaseless = store.lock_leaseless(conn, clock.now(), BATCH)
    endings = [ending for job in leaseless if (ending := _last_loss(job)) is not None]
    ended = end_batch(conn, endings, clock=clock)
    again = store.requeue_leaseless(conn, [job.id for job in leaseless if job.id not in ended])
    record(conn, again, by=Actor.SWEEPER, at=clock.now())
    return Swept(requeued=len(again), ended=len(ended))


def _last_loss(job: Job) -> Ending | None:
    if job.cancel_requested:
        return Ending(job.id, JobState.CANCELLED, Actor.SWEEPER, code=ErrorCode.JOB_CANCELLED)
    if job.lease_losses + 1 >= MAX_LEASE_LOSSES:
        return Ending(
            job.id,
            JobState.FAILED,
            Actor.SWEEPER,
            code=ErrorCode.PROCESSING_FAILED,
            detail=f"{MAX_LEASE_LOSSES} workers were lost while they ran it",
        )
    return None


def sweep_unclaimed(conn: Connection, *, clock: Clock) -> Swept:
    """Put jobs back in line that were dispatched and that no worker claims.

    Those of a suspended account, or of an operation that is suspended for theirs, at once: they
    would take up the operation's places in flight.
    """
    at: datetime = clock.now()
    again = store.requeue_unclaimed(
        conn, at - UNCLAIMED_AFTER, barred=accounts.barred(conn), limit=BATCH
    )
    suspended = restrictions.suspended_operations(conn, at)
    if suspended:
        again += queue.requeue_suspended(conn, sorted(suspended), limit=BATCH)
    record(conn, again, by=Actor.SWEEPER, at=at)
    return Swept(requeued=len(again), ended=0)


def sweep_expired(conn: Connection, *, clock: Clock) -> Swept:
    """End waiting jobs whose time is over."""
    endings = [
        Ending(job_id, JobState.EXPIRED, Actor.SWEEPER, code=ErrorCode.JOB_EXPIRED)
        for job_id in store.expired(conn, clock.now(), BATCH)
    ]
    return Swept(requeued=0, ended=len(end_batch(conn, endings, clock=clock)))
