"""Does everything agree that the database alone can tell? One entry for all of its rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from psycopg import Connection
from psycopg.pq import TransactionStatus

from domain.admission import quota_store
from domain.admission.quotas import NOTHING, Used
from domain.billing import checks as ledger
from domain.billing import service as billing
from domain.jobs import checks, outbox, read, shares
from domain.pipeline.agreement import STALE_AFTER, disagreements
from domain.pipeline.findings import Finding, FindingCode, remedy
from schemas.states import JobState

__all__ = [
    "STALE_AFTER",
    "Finding",
    "FindingCode",
    "check",
    "holds_agree",
    "miscounted_shares",
    "one_view",
    "remedy",
    "stale_holds",
]


def check(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return everything that is wrong, by code and subject; an empty list is the good answer.

    The ledger's own rules; jobs against their transitions, holds, usage events, ids, the jobs
    they retry and the quotas that count them; leases and expiries that nobody acts on; an outbox
    that is not sent.
    What follows from a job's end has `STALE_AFTER` to come.

    Safe while jobs move: everything is asked of one view, read-only, in a transaction of its
    own, unless `conn` is in one already. That should then be REPEATABLE READ, or nothing may
    move. Reads everything there is.
    """
    with one_view(conn):
        found = [
            *(Finding(each.code, each.subject, each.detail) for each in ledger.check(conn)),
            *(
                Finding(FindingCode(each.rule), each.job_id, each.detail)
                for each in checks.history(conn)
            ),
            *disagreements(conn, now=now),
            *_holds_without_job(conn),
            *miscounted_shares(conn),
            *overdue(conn, now=now),
        ]
    return sorted(found, key=lambda finding: (finding.code, finding.subject))


def overdue(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return what should have been done `STALE_AFTER` ago: by the sweeper, by the relay."""
    before = now - STALE_AFTER
    waiting = outbox.waiting(conn)
    found = [
        Finding(FindingCode(each.rule), each.job_id, each.detail)
        for each in checks.overdue(conn, before=before)
    ]
    if waiting.oldest is not None and waiting.oldest < before:
        detail = f"{waiting.count} messages wait, the oldest since {waiting.oldest.isoformat()}"
        found.append(Finding(FindingCode.OUTBOX_OLD, "outbox", detail))
    return found


def miscounted_shares(conn: Connection) -> list[Finding]:
    """Return the accounts whose quotas count other jobs than those that have a share."""
    have = {
        (share.account_id, share.day, share.operation): Used(share.jobs, share.megapixels)
        for share in shares.kept(conn)
    }
    counted = {
        (account_id, day, operation): used
        for (account_id, _), month in quota_store.every_month(conn).items()
        for (day, operation), used in month.days.items()
        if used != NOTHING
    }
    return [
        Finding(
            FindingCode.SHARES_MISCOUNTED,
            account_id,
            f"{operation} on {day.isoformat()}: {_words(counted.get((account_id, day, operation)))}"
            f" are counted, {_words(have.get((account_id, day, operation)))} have a share",
        )
        for account_id, day, operation in sorted(counted.keys() | have.keys())
        if counted.get((account_id, day, operation)) != have.get((account_id, day, operation))
    ]


def _words(used: Used | None) -> str:
    used = used or NOTHING
    return f"{used.jobs} jobs of {used.megapixels} megapixels"


def holds_agree(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return every job under way, and every open hold, that lacks its other half.

    Safe while jobs move, if each statement sees what was committed before it: the default,
    READ COMMITTED. Reads as much as there are jobs under way and open holds.
    """
    return sorted(
        stale_holds(conn, now=now) + _jobs_without_hold(conn),
        key=lambda finding: (finding.code, finding.subject),
    )


def stale_holds(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return the open holds whose job ended over `STALE_AFTER` before `now`, or is not there.

    The first means that a usage event is lost or was refused, or that billing stands still.
    """
    stale = [
        Finding(
            FindingCode.STALE_HOLD,
            job_id,
            f"{state} at {ended_at.isoformat()}, and its hold is still open",
        )
        for job_id, (state, ended_at) in read.standing(conn, billing.open_holds(conn)).items()
        if ended_at is not None and now - ended_at > STALE_AFTER
    ]
    return _holds_without_job(conn) + stale


@contextmanager
def one_view(conn: Connection) -> Iterator[None]:
    """Let all questions see one moment, in a read-only transaction that ends with the block.

    In a transaction that is open already they see what it lets them see.
    """
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _holds_without_job(conn: Connection) -> list[Finding]:
    held = billing.open_holds(conn)
    return [
        Finding(FindingCode.HOLD_WITHOUT_JOB, job_id, "the hold is open, there is no such job")
        for job_id in held - read.standing(conn, held).keys()
    ]


def _jobs_without_hold(conn: Connection) -> list[Finding]:
    under_way = read.holding_money(conn)
    suspects = under_way - billing.open_holds(conn, list(under_way))
    # Some may have ended, and been charged, between the two questions: those that are under
    # way even now were so when the holds were read.
    return [
        Finding(FindingCode.JOB_WITHOUT_HOLD, job_id, f"{state}, and no hold is open for it")
        for job_id, (state, ended_at) in read.standing(conn, suspects).items()
        if ended_at is None and state is not JobState.REVIEW
    ]
