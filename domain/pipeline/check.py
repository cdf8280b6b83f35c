"""Do jobs and their holds agree? What `domain.billing.checks` cannot see, knowing no jobs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg import Connection

from domain.billing import service as billing
from domain.jobs import read
from schemas.ids import JobId
from schemas.states import JobState

STALE_AFTER = timedelta(seconds=60)
"""How long a hold may stay open behind the end of its job, until its usage is recorded."""


class FindingCode(StrEnum):
    """What can be wrong between a job and its hold."""

    STALE_HOLD = "stale_hold"
    HOLD_WITHOUT_JOB = "hold_without_job"
    JOB_WITHOUT_HOLD = "job_without_hold"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, with which job."""

    code: FindingCode
    subject: JobId
    detail: str


def check(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return every job that disagrees with its hold; an empty list is the good answer.

    Safe while jobs move, if each statement sees what was committed before it: the default,
    READ COMMITTED. Reads as much as there are jobs under way and open holds.
    """
    return sorted(
        stale_holds(conn, now=now) + jobs_without_hold(conn),
        key=lambda finding: (finding.code, finding.subject),
    )


def stale_holds(conn: Connection, *, now: datetime) -> list[Finding]:
    """Return the open holds whose job ended over `STALE_AFTER` before `now`, or is not there.

    The first means that a usage event is lost or was refused, or that billing stands still.
    """
    held = billing.open_holds(conn)
    standing = read.standing(conn, held)
    missing = [
        Finding(FindingCode.HOLD_WITHOUT_JOB, job_id, "the hold is open, there is no such job")
        for job_id in held - standing.keys()
    ]
    stale = [
        Finding(
            FindingCode.STALE_HOLD,
            job_id,
            f"{state} at {ended_at.isoformat()}, and its hold is still open",
        )
        for job_id, (state, ended_at) in standing.items()
        if ended_at is not None and now - ended_at > STALE_AFTER
    ]
    return missing + stale


def jobs_without_hold(conn: Connection) -> list[Finding]:
    """Return the jobs that are queued, dispatched or running without an open hold."""
    under_way = read.holding_money(conn)
    suspects = under_way - billing.open_holds(conn, list(under_way))
    # Some may have ended, and been charged, between the two questions: those that are under
    # way even now were so when the holds were read.
    return [
        Finding(FindingCode.JOB_WITHOUT_HOLD, job_id, f"{state}, and no hold is open for it")
        for job_id, (state, ended_at) in read.standing(conn, suspects).items()
        if ended_at is None and state is not JobState.REVIEW
    ]
