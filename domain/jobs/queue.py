"""The SQL of the line of waiting jobs, and of what is with the workers.

Whatever looks for the first of a line is ordered by all of `jobs_line`, so that nothing else looks
as good to the planner: when a long line has just been worked off, its statistics still say that
almost every row waits, and a scan of the table would pass all that ended.
"""

from collections.abc import Collection, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import dict_row

from domain.jobs.model import Job
from domain.jobs.rows import COLUMNS, job_from_row
from schemas.ids import JobId
from schemas.operations import OperationName

InFlight = Mapping[tuple[OperationName, str], int]
"""Jobs with the workers, dispatched or running, by operation and account."""


def operations_waiting(conn: Connection) -> list[OperationName]:
    """Return the operations that have jobs waiting."""
    rows = conn.execute(
        "SELECT o.name FROM unnest(%s::text[]) AS o (name) CROSS JOIN LATERAL ("
        " SELECT FROM jobs WHERE operation = o.name AND state = 'queued'"
        " ORDER BY account_id, priority DESC, seq LIMIT 1) head",
        (list(OperationName),),
    ).fetchall()
    return [OperationName(name) for (name,) in rows]


def in_flight(conn: Connection) -> InFlight:
    """Return what is with the workers. Reads as many rows as are in flight."""
    rows = conn.execute(
        "SELECT operation, account_id, count(*) FROM jobs"
        " WHERE state IN ('dispatched', 'running') GROUP BY operation, account_id"
    ).fetchall()
    return {(OperationName(operation), account): count for operation, account, count in rows}


def accounts_waiting(
    conn: Connection, operation: OperationName, *, after: str = "", limit: int | None = None
) -> list[str]:
    """Return the accounts behind `after` that have jobs waiting, in order, up to `limit`.

    Reads one index entry for each, however long its line is.
    """
    rows = conn.execute(
        "WITH RECURSIVE waiting (account_id) AS ("
        " (SELECT account_id FROM jobs WHERE state = 'queued' AND operation = %(operation)s"
        "  AND account_id > %(after)s ORDER BY account_id, priority DESC, seq LIMIT 1)"
        " UNION ALL"
        " SELECT (SELECT j.account_id FROM jobs j WHERE j.state = 'queued'"
        "  AND j.operation = %(operation)s AND j.account_id > w.account_id"
        "  ORDER BY j.account_id, j.priority DESC, j.seq LIMIT 1)"
        " FROM waiting w WHERE w.account_id IS NOT NULL)"
        " SELECT account_id FROM waiting WHERE account_id IS NOT NULL LIMIT %(limit)s",
        {"operation": operation, "after": after, "limit": limit},
    ).fetchall()
    return [account for (account,) in rows]


def heads(
    conn: Connection, operation: OperationName, wanted: Mapping[str, int]
) -> dict[str, list[JobId]]:
    """Return up to so many jobs from the head of each account's line, in order.

    Of a higher priority first, then the oldest. One whose line is shorter has fewer.
    """
    rows = conn.execute(
        "SELECT w.account_id, line.id FROM unnest(%s::text[], %s::int[]) AS w (account_id, jobs)"
        " CROSS JOIN LATERAL (SELECT id, priority, seq FROM jobs WHERE state = 'queued'"
        "  AND operation = %s AND account_id = w.account_id"
        "  ORDER BY priority DESC, seq LIMIT w.jobs) line"
        " ORDER BY w.account_id, line.priority DESC, line.seq",
        (list(wanted), list(wanted.values()), operation),
    ).fetchall()
    found: dict[str, list[JobId]] = {}
    for account, job_id in rows:
        found.setdefault(account, []).append(JobId(job_id))
    return found


def whose(
    conn: Connection, job_ids: Collection[JobId]
) -> dict[JobId, tuple[str, OperationName | None]]:
    """Return of each job whose it is, and its operation: neither ever changes."""
    rows = conn.execute(
        "SELECT id, account_id, operation FROM jobs WHERE id = ANY(%s)", (list(job_ids),)
    ).fetchall()
    return {
        JobId(job_id): (account, OperationName(operation) if operation else None)
        for job_id, account, operation in rows
    }


def requeue_suspended(
    conn: Connection, suspended: Sequence[tuple[str, OperationName]], *, limit: int
) -> list[Job]:
    """Move dispatched jobs of accounts' suspended operations back to `queued`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "WITH chosen AS (SELECT jobs.id FROM jobs"
            " JOIN unnest(%s::text[], %s::text[]) AS s (account_id, operation)"
            " ON jobs.account_id = s.account_id AND jobs.operation = s.operation"
            " WHERE state = 'dispatched' ORDER BY jobs.id LIMIT %s FOR UPDATE OF jobs SKIP LOCKED)"
            " UPDATE jobs SET state = 'queued', version = version + 1, dispatched_at = NULL"
            " FROM chosen WHERE jobs.id = chosen.id RETURNING " + COLUMNS,
            ([account for account, _ in suspended], [name for _, name in suspended], limit),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def requeue_running(conn: Connection, attempts: Collection[tuple[JobId, int]]) -> list[Job]:
    """Move running attempts back to `queued`, as if they had not begun.

    One that is asked to stop is left alone: it would wait in line with that.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "WITH chosen AS (SELECT jobs.id FROM jobs"
            " JOIN unnest(%s::text[], %s::int[]) AS c (id, attempt)"
            " ON jobs.id = c.id AND jobs.attempt = c.attempt"
            " WHERE state = 'running' AND NOT cancel_requested"
            " ORDER BY jobs.id FOR UPDATE OF jobs)"
            " UPDATE jobs SET state = 'queued', version = version + 1, worker = NULL,"
            " lease_until = NULL, started_at = NULL, dispatched_at = NULL"
            " FROM chosen WHERE jobs.id = chosen.id RETURNING " + COLUMNS,
            ([job for job, _ in attempts], [attempt for _, attempt in attempts]),
        ).fetchall()
    return [job_from_row(row) for row in rows]
