"""How a worker gets, keeps and gives back a job: claim and lease."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import restrictions
from domain.admission.restrictions import FREE, Restricted
from domain.jobs import queue
from domain.jobs import store as jobs
from domain.jobs.model import Job
from domain.pipeline.record import record
from infra.clock import Clock
from schemas.ids import JobId
from schemas.operations import OperationName
from schemas.states import Actor


def claim_batch(
    conn: Connection,
    attempts: Collection[tuple[JobId, int]],
    *,
    worker: str,
    lease: timedelta,
    clock: Clock,
) -> list[Job]:
    """Move dispatched attempts to `running` for `worker`, and return those that are its own.

    The others are to be skipped: another attempt is current, the job has ended or expired,
    its account may not run, or its operation is suspended for that account. The accounts are
    locked first and what is in force is read behind that, so that nothing starts after a
    suspension has committed.
    """
    whose = queue.whose(conn, [job_id for job_id, _ in attempts])
    locked = accounts.lock_shared(conn, {account for account, _ in whose.values()})
    at = clock.now()
    restricted = restrictions.in_force(conn, locked, at)
    claimed = jobs.claim(
        conn,
        [
            (job_id, attempt)
            for job_id, attempt in attempts
            if not _suspended(restricted, whose.get(job_id))
        ],
        accounts=[account.id for account in locked.values() if account.may_run],
        worker=worker,
        lease_until=at + lease,
        at=at,
    )
    record(conn, claimed, by=Actor.WORKER, at=at)
    return claimed


def _suspended(
    restricted: Mapping[str, Restricted], whose: tuple[str, OperationName | None] | None
) -> bool:
    if whose is None:
        return False
    account, operation = whose
    return operation in restricted.get(account, FREE).suspended


def renew_leases(
    conn: Connection, attempts: Collection[tuple[JobId, int]], *, lease: timedelta, clock: Clock
) -> dict[JobId, bool]:
    """Renew the leases of running attempts.

    Returns, for each that is still the worker's, whether it is asked to stop. One that is
    missing has been taken away: its work must stop and counts for nothing unless it succeeds.
    """
    return jobs.renew(conn, attempts, clock.now() + lease)


def hand_back(
    conn: Connection, attempts: Collection[tuple[JobId, int]], *, clock: Clock
) -> list[JobId]:
    """Put running attempts back in line that their worker will not carry through.

    For what is no fault of the job's, as when its worker is stopped: unlike a lease that is
    lost it counts for nothing, however often it happens. Returns those that were the worker's;
    of the others one that is asked to stop ends cancelled once its lease is over.
    """
    again = queue.requeue_running(conn, attempts)
    record(conn, again, by=Actor.WORKER, at=clock.now())
    return [job.id for job in again]
