"""The SQL of the line of waiting jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from schemas.ids import JobId
from schemas.operations import OperationName


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the line, and whose it is."""

    id: JobId
    account_id: str


def operations_waiting(conn: Connection) -> list[OperationName]:
    """Return the operations that have jobs waiting."""
    rows = conn.execute(
        "SELECT o.name FROM unnest(%s::text[]) AS o (name)"
        " WHERE EXISTS (SELECT FROM jobs WHERE operation = o.name AND state = 'queued')",
        (list(OperationName),),
    ).fetchall()
    return [OperationName(name) for (name,) in rows]


def in_flight(conn: Connection, operation: OperationName) -> int:
    """Return how many jobs of an operation are with the workers."""
    row = conn.execute(
        "SELECT count(*) FROM jobs WHERE operation = %s AND state IN ('dispatched', 'running')",
        (operation,),
    ).fetchone()
    return int(row[0]) if row else 0


def next_in_line(
    conn: Connection,
    operation: OperationName,
    *,
    after_account: str,
    barred: Sequence[str],
    limit: int,
) -> list[Waiting]:
    """Return which jobs are next, taking accounts in turn.

    First one job of each account behind `after_account`, then of those before it, then the
    second job of each, and so on; `barred` accounts are left out.
    Reads `limit` index entries per account that has work waiting, however long its line is.
    """
    rows = conn.execute(
        "WITH RECURSIVE waiting (account_id) AS ("
        " (SELECT account_id FROM jobs WHERE state = 'queued' AND operation = %(operation)s"
        "  ORDER BY account_id LIMIT 1)"
        " UNION ALL"
        " SELECT (SELECT j.account_id FROM jobs j WHERE j.state = 'queued'"
        "  AND j.operation = %(operation)s AND j.account_id > w.account_id"
        "  ORDER BY j.account_id LIMIT 1)"
        " FROM waiting w WHERE w.account_id IS NOT NULL)"
        " SELECT line.id, w.account_id FROM waiting w"
        " CROSS JOIN LATERAL (SELECT j.id, row_number() OVER (ORDER BY j.seq) AS place"
        "  FROM (SELECT id, seq FROM jobs WHERE state = 'queued'"
        "   AND operation = %(operation)s AND account_id = w.account_id"
        "   ORDER BY seq LIMIT %(limit)s) j) line"
        " WHERE w.account_id IS NOT NULL AND w.account_id <> ALL(%(barred)s)"
        " ORDER BY line.place, w.account_id <= %(after)s, w.account_id LIMIT %(limit)s",
        {
            "operation": operation,
            "limit": limit,
            "barred": list(barred),
            "after": after_account,
        },
    ).fetchall()
    return [Waiting(JobId(job), account) for job, account in rows]
