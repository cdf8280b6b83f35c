"""The SQL of jobs and their transitions: one statement per transition, all of them set-based.

Where a statement changes several jobs it locks them in the order of their ids.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from psycopg import Connection
from psycopg.rows import dict_row

from domain.jobs.model import Ending, Job, NewJob
from domain.jobs.rows import COLUMNS, added_job, job_from_row, new_rows
from schemas.ids import JobId
from schemas.states import Actor

_NEW = (
    "id, account_id, origin, environment, retry_of, preset, operation, parameters, bucket,"
    " source_key, source_etag, source_version_id, source_bytes, mask_key, mask_etag,"
    " mask_version_id, format, width, height, has_alpha, state, code, detail, amount, unit,"
    " requested_at, admitted_at, expires_at, ended_at, priority, quota_day, limit_reached"
)


def known(conn: Connection, job_ids: Collection[str]) -> set[JobId]:
    """Return those of `job_ids` that have a row."""
    rows = conn.execute("SELECT id FROM jobs WHERE id = ANY(%s)", (list(job_ids),)).fetchall()
    return {JobId(row[0]) for row in rows}


def insert(conn: Connection, jobs: Sequence[NewJob]) -> list[Job]:
    """Add jobs, and return those that were new; the others are left as they are.

    They take their places in the line in the order given, not that of their ids: of two
    transactions that add the same jobs in different orders one may end in a deadlock, and
    is to be tried again.
    """
    rows = conn.execute(
        "INSERT INTO jobs (" + _NEW + ")"
        " SELECT " + _NEW + " FROM json_populate_recordset(NULL::jobs, %s::json)"
        " ON CONFLICT (id) DO NOTHING RETURNING id, seq",
        (new_rows(jobs),),
    ).fetchall()
    places: dict[str, int] = dict(rows)
    return [added_job(job, places[job.id]) for job in jobs if job.id in places]


def get(conn: Connection, job_id: str) -> Job | None:
    """Return a job, or None."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT " + COLUMNS + " FROM jobs WHERE id = %s", (job_id,)).fetchone()
    return job_from_row(row) if row else None


def lock(conn: Connection, job_ids: Collection[JobId]) -> dict[JobId, Job]:
    """Return jobs, locked until the transaction ends."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT " + COLUMNS + " FROM jobs WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            (list(job_ids),),
        ).fetchall()
    return {row["id"]: job_from_row(row) for row in rows}


def end(conn: Connection, endings: Collection[Ending], at: datetime) -> list[Job]:
    """End jobs that are locked and may end so; return them as they are now."""
    rows = [
        {
            "id": e.job_id,
            "state": e.to,
            "code": e.code,
            "detail": e.detail,
            "report": e.report,
            "result_key": e.result.key if e.result else None,
            "result_etag": e.result.etag if e.result else None,
            "result_bytes": e.result.size if e.result else None,
            "result_media_type": e.result.media_type if e.result else None,
            "result_width": e.result.width if e.result else None,
            "result_height": e.result.height if e.result else None,
            "source_sha256": f"\\x{e.source_sha256.hex()}" if e.source_sha256 else None,
        }
        for e in endings
    ]
    with conn.cursor(row_factory=dict_row) as cursor:
        ended = cursor.execute(
            "UPDATE jobs SET state = e.state, version = jobs.version + 1, code = e.code,"
            " detail = e.detail, ended_at = %s, lease_until = NULL, result_key = e.result_key,"
            " result_etag = e.result_etag, result_bytes = e.result_bytes,"
            " result_media_type = e.result_media_type, result_width = e.result_width,"
            " result_height = e.result_height, report = e.report,"
            " source_sha256 = e.source_sha256"
            " FROM jsonb_populate_recordset(NULL::jobs, %s::jsonb) AS e"
            " WHERE jobs.id = e.id AND jobs.ended_at IS NULL RETURNING " + COLUMNS,
            (at, json.dumps(rows)),
        ).fetchall()
    return [job_from_row(row) for row in ended]


def queue_reviewed(conn: Connection, job_id: JobId, *, amount: int, unit: str, at: datetime) -> Job:
    """Move a locked job from review into the line, at the price that holds at `at`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "UPDATE jobs SET state = 'queued', version = version + 1, amount = %s, unit = %s,"
            " admitted_at = %s WHERE id = %s AND state = 'review' RETURNING " + COLUMNS,
            (amount, unit, at, job_id),
        ).fetchone()
    if row is None:
        raise LookupError(f"{job_id} was locked in review and is not there")
    return job_from_row(row)


def dispatch(conn: Connection, job_ids: Collection[JobId], at: datetime) -> list[Job]:
    """Move queued jobs to `dispatched`, each with a new attempt; return those that moved."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "WITH chosen AS (SELECT id FROM jobs WHERE id = ANY(%s) AND state = 'queued'"
            " ORDER BY id FOR UPDATE SKIP LOCKED)"
            " UPDATE jobs SET state = 'dispatched', attempt = attempt + 1, dispatched_at = %s,"
            " version = version + 1 FROM chosen WHERE jobs.id = chosen.id RETURNING " + COLUMNS,
            (list(job_ids), at),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def claim(
    conn: Connection,
    attempts: Collection[tuple[JobId, int]],
    *,
    accounts: Collection[str],
    worker: str,
    lease_until: datetime,
    at: datetime,
) -> list[Job]:
    """Move dispatched jobs to `running` for a worker; return those that moved.

    A job moves if that attempt is its current one, it has not expired, and its account is
    one of `accounts`.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "WITH chosen AS (SELECT jobs.id FROM jobs"
            " JOIN unnest(%s::text[], %s::int[]) AS c (id, attempt)"
            " ON jobs.id = c.id AND jobs.attempt = c.attempt"
            " WHERE state = 'dispatched' AND expires_at > %s AND account_id = ANY(%s)"
            " ORDER BY jobs.id FOR UPDATE OF jobs)"
            " UPDATE jobs SET state = 'running', worker = %s, lease_until = %s, started_at = %s,"
            " version = version + 1 FROM chosen WHERE jobs.id = chosen.id RETURNING " + COLUMNS,
            (
                [job for job, _ in attempts],
                [attempt for _, attempt in attempts],
                at,
                list(accounts),
                worker,
                lease_until,
                at,
            ),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def accounts_of(conn: Connection, job_ids: Collection[JobId]) -> set[str]:
    """Return the accounts that jobs belong to."""
    rows = conn.execute(
        "SELECT DISTINCT account_id FROM jobs WHERE id = ANY(%s)", (list(job_ids),)
    ).fetchall()
    return {row[0] for row in rows}


def renew(
    conn: Connection, attempts: Collection[tuple[JobId, int]], lease_until: datetime
) -> dict[JobId, bool]:
    """Renew the leases of running attempts, even past their end.

    Returns, for each that still runs, whether its cancellation is asked for; what is
    missing from the answer has been taken from the worker.
    """
    rows = conn.execute(
        "WITH chosen AS (SELECT jobs.id FROM jobs"
        " JOIN unnest(%s::text[], %s::int[]) AS c (id, attempt)"
        " ON jobs.id = c.id AND jobs.attempt = c.attempt"
        " WHERE state = 'running' ORDER BY jobs.id FOR UPDATE OF jobs)"
        " UPDATE jobs SET lease_until = %s FROM chosen WHERE jobs.id = chosen.id"
        " RETURNING jobs.id, jobs.cancel_requested",
        ([job for job, _ in attempts], [attempt for _, attempt in attempts], lease_until),
    ).fetchall()
    return {JobId(job): asked for job, asked in rows}


def request_cancel(conn: Connection, job_id: JobId) -> None:
    """Ask whoever runs a job to stop."""
    conn.execute(
        "UPDATE jobs SET cancel_requested = true WHERE id = %s AND state = 'running'", (job_id,)
    )


def requeue_unclaimed(
    conn: Connection, before: datetime, *, barred: Collection[str], limit: int
) -> list[Job]:
    """Move dispatched jobs that nobody claims back to `queued`.

    These are the ones dispatched before a time, and those of `barred` accounts, whose claims
    are refused.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "WITH chosen AS (SELECT id FROM jobs WHERE state = 'dispatched'"
            " AND (dispatched_at < %s OR account_id = ANY(%s))"
            " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
            " UPDATE jobs SET state = 'queued', version = version + 1, dispatched_at = NULL"
            " FROM chosen WHERE jobs.id = chosen.id RETURNING " + COLUMNS,
            (before, list(barred), limit),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def lock_leaseless(conn: Connection, before: datetime, limit: int) -> list[Job]:
    """Return running jobs whose lease ended before a time, locked."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT " + COLUMNS + " FROM jobs WHERE state = 'running' AND lease_until < %s"
            " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            (before, limit),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def requeue_leaseless(conn: Connection, job_ids: Collection[JobId]) -> list[Job]:
    """Move locked running jobs whose lease was lost back to `queued`, counting the loss."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "UPDATE jobs SET state = 'queued', version = version + 1, worker = NULL,"
            " lease_until = NULL, started_at = NULL, dispatched_at = NULL,"
            " lease_losses = lease_losses + 1"
            " WHERE id = ANY(%s) AND state = 'running' RETURNING " + COLUMNS,
            (list(job_ids),),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def expired(conn: Connection, at: datetime, limit: int) -> list[JobId]:
    """Return waiting jobs whose time is over."""
    rows = conn.execute(
        "SELECT id FROM jobs WHERE state IN ('queued', 'review', 'dispatched')"
        " AND expires_at <= %s ORDER BY id LIMIT %s",
        (at, limit),
    ).fetchall()
    return [JobId(row[0]) for row in rows]


def add_transitions(conn: Connection, jobs: Sequence[Job], *, by: Actor, at: datetime) -> None:
    """Record where jobs have just come to."""
    conn.execute(
        "INSERT INTO transitions (job_id, version, state, attempt, by, code, at)"
        " SELECT j.id, j.version, j.state, j.attempt, %s, j.code, %s FROM"
        " unnest(%b::text[], %s::int[], %b::text[], %s::int[], %s::text[])"
        " AS j (id, version, state, attempt, code)",
        (
            by,
            at,
            [job.id for job in jobs],
            [job.version for job in jobs],
            [job.state for job in jobs],
            [job.attempt for job in jobs],
            [job.code for job in jobs],
        ),
    )


def remember(
    conn: Connection,
    account_id: str,
    key: str,
    *,
    request_sha256: bytes,
    job_id: JobId,
    at: datetime,
) -> bool:
    """Bind an idempotency key to a job; False when the key is bound already.

    A transaction that binds the same key at this moment is waited for.
    """
    done = conn.execute(
        "INSERT INTO idempotency (account_id, key, request_sha256, job_id, at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (account_id, key, request_sha256, job_id, at),
    )
    return done.rowcount == 1


def recall(conn: Connection, account_id: str, key: str) -> tuple[bytes, JobId] | None:
    """Return the request hash and job that an idempotency key is bound to, or None."""
    row = conn.execute(
        "SELECT request_sha256, job_id FROM idempotency WHERE account_id = %s AND key = %s",
        (account_id, key),
    ).fetchone()
    return (row[0], JobId(row[1])) if row else None
