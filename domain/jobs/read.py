"""The SQL by which jobs are looked at: one, a page, how many. Nothing is locked or changed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import dict_row

from domain.jobs.model import Job
from domain.jobs.rows import COLUMNS, job_from_row
from schemas.errors import ErrorCode
from schemas.ids import JobId, is_job_id
from schemas.states import Actor, JobState


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are meant; what is empty does not narrow.

    `source_prefix` is how the source's key begins. `not_retried` leaves out the jobs that a
    newer one retries.
    """

    states: Collection[JobState] = ()
    codes: Collection[ErrorCode] = ()
    source_prefix: str = ""
    not_retried: bool = False


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs are in each state, and how many ended with each code."""

    by_state: dict[JobState, int]
    by_code: dict[ErrorCode, int]


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a job: where it came to, by whom, in which attempt, with which code."""

    version: int
    state: JobState
    attempt: int
    by: Actor
    code: ErrorCode | None
    at: datetime


def of_account(conn: Connection, account_id: str, job_id: str) -> Job | None:
    """Return an account's job; None when there is none, or it is another account's."""
    if not is_job_id(job_id):
        return None
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT " + COLUMNS + " FROM jobs WHERE id = %s AND account_id = %s",
            (job_id, account_id),
        ).fetchone()
    return job_from_row(row) if row else None


def page(
    conn: Connection, account_id: str, wanted: JobFilter, *, before_seq: int | None, limit: int
) -> list[Job]:
    """Return up to `limit` of an account's jobs, newest first, older than `before_seq`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT " + COLUMNS + " FROM jobs WHERE account_id = %(account)s"
            " AND (%(before)s::bigint IS NULL OR seq < %(before)s)"
            " AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))"
            " AND (%(codes)s::text[] IS NULL OR code = ANY(%(codes)s))"
            + (_NOT_RETRIED if wanted.not_retried else "")
            + (_PREFIX if wanted.source_prefix else "")
            + " ORDER BY seq DESC LIMIT %(limit)s",
            {
                "account": account_id,
                "before": before_seq,
                "states": list(wanted.states) or None,
                "codes": list(wanted.codes) or None,
                "prefix": wanted.source_prefix,
                "limit": limit,
            },
        ).fetchall()
    return [job_from_row(row) for row in rows]


def asked_within(
    conn: Connection, account_id: str, since: datetime, end: datetime, limit: int
) -> list[JobId]:
    """Return some of the jobs that an account asked for in a time, of its last 2,000 jobs."""
    rows = conn.execute(
        "SELECT id FROM (SELECT id, requested_at FROM jobs WHERE account_id = %s"
        " ORDER BY seq DESC LIMIT 2000) AS newest"
        " WHERE requested_at >= %s AND requested_at < %s LIMIT %s",
        (account_id, since, end, limit),
    ).fetchall()
    return [JobId(row[0]) for row in rows]


def counts(conn: Connection, account_id: str, source_prefix: str) -> JobCounts:
    """Count an account's jobs whose source's key begins so."""
    rows = conn.execute(
        "SELECT state, code, count(*) FROM jobs WHERE account_id = %(account)s"
        + (_PREFIX if source_prefix else "")
        + " GROUP BY state, code ORDER BY state, code",
        {"account": account_id, "prefix": source_prefix},
    ).fetchall()
    by_state: dict[JobState, int] = {}
    by_code: dict[ErrorCode, int] = {}
    for state, code, count in rows:
        by_state[JobState(state)] = by_state.get(JobState(state), 0) + count
        if code is not None:
            by_code[ErrorCode(code)] = by_code.get(ErrorCode(code), 0) + count
    return JobCounts(by_state, dict(sorted(by_code.items())))


def ended(conn: Connection, job_ids: Collection[JobId]) -> set[JobId]:
    """Return those of `job_ids` that have ended."""
    rows = conn.execute(
        "SELECT id FROM jobs WHERE id = ANY(%s) AND ended_at IS NOT NULL", (list(job_ids),)
    ).fetchall()
    return {JobId(row[0]) for row in rows}


def standing(
    conn: Connection, job_ids: Collection[JobId]
) -> dict[JobId, tuple[JobState, datetime | None]]:
    """Return where those of `job_ids` that have a row stand, and when they ended."""
    rows = conn.execute(
        "SELECT id, state, ended_at FROM jobs WHERE id = ANY(%s)", (list(job_ids),)
    ).fetchall()
    return {JobId(id_): (JobState(state), ended_at) for id_, state, ended_at in rows}


def transitions(conn: Connection, job_id: JobId) -> list[Transition]:
    """Return the steps of a job, in order."""
    rows = conn.execute(
        "SELECT version, state, attempt, by, code, at FROM transitions"
        " WHERE job_id = %s ORDER BY version",
        (job_id,),
    ).fetchall()
    return [
        Transition(
            version, JobState(state), attempt, Actor(by), ErrorCode(code) if code else None, at
        )
        for version, state, attempt, by, code, at in rows
    ]


def retries_of(conn: Connection, job_id: JobId) -> list[JobId]:
    """Return the jobs that retry a job: one, or none."""
    rows = conn.execute(
        "SELECT id FROM jobs WHERE retry_of = %s ORDER BY seq", (job_id,)
    ).fetchall()
    return [JobId(row[0]) for row in rows]


def holding_money(conn: Connection) -> set[JobId]:
    """Return the jobs from `queued` on that have not ended."""
    rows = conn.execute(
        "SELECT id FROM jobs WHERE state = 'queued'"
        " UNION ALL SELECT id FROM jobs WHERE state IN ('dispatched', 'running')"
    ).fetchall()
    return {JobId(row[0]) for row in rows}


# A range that the index on keys can serve, whatever plan is kept; U+10FFFF is the last
# character there is. starts_with makes it exact.
_PREFIX = (
    " AND source_key ~>=~ %(prefix)s AND source_key ~<~ (%(prefix)s || chr(1114111))"
    " AND starts_with(source_key, %(prefix)s)"
)
_NOT_RETRIED = " AND NOT EXISTS (SELECT FROM jobs r WHERE r.retry_of = jobs.id)"
