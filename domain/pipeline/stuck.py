"""Jobs that do not move although they should, and why, as far as the database tells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg import Connection

from domain.accounts import store as accounts
from domain.billing import service as billing
from domain.jobs import outbox, queue, waits
from domain.jobs.waits import Wait
from domain.pipeline.contend import contending
from schemas.ids import JobId
from schemas.operations import OperationName


class StuckCode(StrEnum):
    """In which way a job, or an upload, does not move."""

    NOT_DISPATCHED = "not_dispatched"
    NOT_CLAIMED = "not_claimed"
    LEASE_NOT_RENEWED = "lease_not_renewed"
    CANCEL_NOT_HEEDED = "cancel_not_heeded"
    HOLD_NOT_CLOSED = "hold_not_closed"
    NOT_REVIEWED = "not_reviewed"
    UPLOAD_WITHOUT_JOB = "upload_without_job"


class Cause(StrEnum):
    """Why, as far as the system tells."""

    ACCOUNT_BARRED = "account_barred"
    RELAY_BEHIND = "relay_behind"
    NO_DISPATCHER = "no_dispatcher"
    NO_SWEEPER = "no_sweeper"
    NO_RELAY = "no_relay"
    NO_RECONCILER = "no_reconciler"
    NO_WORKER = "no_worker"
    WORKERS_BUSY = "workers_busy"
    WORKER_GONE = "worker_gone"
    CONSUMER_BEHIND = "consumer_behind"
    DEAD_LETTER = "dead_letter"
    NOBODY_DECIDED = "nobody_decided"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stuck:
    """One job that does not move: in which way, since when, and what is known of why.

    `cause` is None where more than the database must be asked. `key` is an upload's, whose job
    is yet to come.
    """

    code: StuckCode
    job_id: JobId
    account_id: str
    operation: str | None
    since: datetime
    cause: Cause | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How long a job may stand still in each way before it is stuck."""

    queued: timedelta = timedelta(minutes=2)
    dispatched: timedelta = timedelta(minutes=2)
    lease_over: timedelta = timedelta(seconds=40)
    ended: timedelta = timedelta(seconds=60)
    review: timedelta = timedelta(days=1)


def stuck(
    conn: Connection, *, caps: Mapping[OperationName, int], now: datetime, limits: Thresholds
) -> list[Stuck]:
    """Return the jobs that do not move, the longest first; `caps` are of jobs in flight.

    A running job that was asked to stop is among them whenever that was: when is not on
    record, so ask again a little later which of them still runs.
    """
    barred = set(accounts.barred(conn))
    unsent = outbox.waiting(conn).oldest
    # A relay that is a few seconds behind explains nothing that lasts minutes.
    relay_behind = unsent is not None and now - unsent > limits.ended
    relay = Cause.RELAY_BEHIND if relay_behind else None
    found = [
        *_not_dispatched(conn, caps, now=now, before=now - limits.queued),
        *(
            _stuck(
                StuckCode.NOT_CLAIMED,
                wait,
                Cause.ACCOUNT_BARRED if wait.account_id in barred else relay,
            )
            for wait in waits.dispatched(conn, before=now - limits.dispatched)
        ),
        *(
            _stuck(StuckCode.LEASE_NOT_RENEWED, wait, None)
            for wait in waits.leased(conn, before=now - limits.lease_over)
        ),
        *(_stuck(StuckCode.CANCEL_NOT_HEEDED, wait, None) for wait in waits.asked_to_stop(conn)),
        *(
            _stuck(StuckCode.HOLD_NOT_CLOSED, wait, relay)
            for wait in waits.ended(conn, billing.open_holds(conn), before=now - limits.ended)
        ),
        *(
            _stuck(StuckCode.NOT_REVIEWED, wait, Cause.NOBODY_DECIDED)
            for wait in waits.in_review(conn, before=now - limits.review)
        ),
    ]
    return sorted(found, key=lambda each: each.since)


def _not_dispatched(
    conn: Connection, caps: Mapping[OperationName, int], *, now: datetime, before: datetime
) -> list[Stuck]:
    """Return what waits in line though a place is free, and its account may have one more."""
    flying = queue.in_flight(conn)
    taken: Counter[OperationName] = Counter()
    for (operation, _), jobs in flying.items():
        taken[operation] += jobs
    waiting = waits.queued(conn, before=before)
    able = {
        (operation, account)
        for operation, cap in caps.items()
        if taken[operation] < cap
        for account, contender in contending(
            conn,
            operation,
            sorted({wait.account_id for wait in waiting if wait.operation == operation}),
            flying,
            now,
        ).items()
        if contender.places > 0
    }
    return [
        _stuck(StuckCode.NOT_DISPATCHED, wait, None)
        for wait in waiting
        if (wait.operation, wait.account_id) in able
    ]


def _stuck(code: StuckCode, wait: Wait, cause: Cause | None) -> Stuck:
    return Stuck(code, wait.job_id, wait.account_id, wait.operation, wait.since, cause)
