"""The SQL of jobs that stand still, each with since when. Nothing is locked or changed.

At most `LIMIT` jobs are returned of each kind, those that wait longest.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from schemas.ids import JobId

LIMIT: Final = 1000

_COLUMNS: Final = "SELECT id AS job_id, account_id, operation, "


@dataclass(frozen=True, slots=True)
class Wait:
    """A job that stands where it is, and since when."""

    job_id: JobId
    account_id: str
    operation: str | None
    since: datetime


def queued(conn: Connection, *, before: datetime) -> list[Wait]:
    """Return the jobs that have stood in line since before that; after a requeue it begins anew."""
    return _waits(
        conn,
        "SELECT j.id AS job_id, j.account_id, j.operation, t.at AS since FROM jobs j"
        " JOIN transitions t ON t.job_id = j.id AND t.version = j.version"
        " WHERE j.state = 'queued' AND t.at < %(before)s",
        before=before,
    )


def dispatched(conn: Connection, *, before: datetime) -> list[Wait]:
    """Return the jobs that were given to the workers before that, and that none has claimed."""
    return _waits(
        conn,
        _COLUMNS + "dispatched_at AS since FROM jobs"
        " WHERE state = 'dispatched' AND dispatched_at < %(before)s",
        before=before,
    )


def leased(conn: Connection, *, before: datetime) -> list[Wait]:
    """Return the running jobs whose lease ended before that."""
    return _waits(
        conn,
        _COLUMNS + "lease_until AS since FROM jobs"
        " WHERE state = 'running' AND lease_until < %(before)s",
        before=before,
    )


def asked_to_stop(conn: Connection) -> list[Wait]:
    """Return the running jobs that were asked to stop; since when they run."""
    return _waits(
        conn,
        _COLUMNS + "started_at AS since FROM jobs WHERE state = 'running' AND cancel_requested",
    )


def ended(conn: Connection, job_ids: Collection[JobId], *, before: datetime) -> list[Wait]:
    """Return those of `job_ids` that ended before that."""
    return _waits(
        conn,
        _COLUMNS + "ended_at AS since FROM jobs WHERE id = ANY(%(ids)s) AND ended_at < %(before)s",
        ids=list(job_ids),
        before=before,
    )


def in_review(conn: Connection, *, before: datetime) -> list[Wait]:
    """Return the jobs that have waited for an operator since before that."""
    return _waits(
        conn,
        _COLUMNS + "admitted_at AS since FROM jobs"
        " WHERE state = 'review' AND admitted_at < %(before)s",
        before=before,
    )


def running(conn: Connection) -> dict[str, int]:
    """Return how many jobs of each operation run."""
    rows = conn.execute(
        "SELECT operation, count(*) FROM jobs WHERE state = 'running' GROUP BY operation"
    ).fetchall()
    return {str(operation): int(count) for operation, count in rows}


def _waits(conn: Connection, query: str, **values: object) -> list[Wait]:
    with conn.cursor(row_factory=class_row(Wait)) as cursor:
        return cursor.execute(
            query + " ORDER BY since LIMIT %(limit)s", {**values, "limit": LIMIT}
        ).fetchall()
