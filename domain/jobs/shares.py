"""Which shares of quotas jobs have: told by the jobs and their history, not by what was counted."""

from dataclasses import dataclass
from datetime import date

from psycopg import Connection

from schemas.operations import OperationName


@dataclass(frozen=True, slots=True)
class Kept:
    """Jobs of an account, local day and operation that have a share, and their megapixels."""

    account_id: str
    day: date
    operation: OperationName
    jobs: int
    megapixels: int


def kept(conn: Connection) -> list[Kept]:
    """Return all shares that were taken and not given back. Reads every job."""
    rows = conn.execute(
        "SELECT j.account_id, j.quota_day, j.operation, count(*),"
        " sum(greatest(1, ceil(j.width::bigint * j.height / 1000000.0)))::bigint"
        " FROM jobs j LEFT JOIN transitions before"
        " ON before.job_id = j.id AND before.version = j.version - 1 AND j.ended_at IS NOT NULL"
        " WHERE j.quota_day IS NOT NULL AND j.state <> 'failed'"
        " AND (j.ended_at IS NULL OR j.state = 'succeeded' OR before.state = 'running')"
        " GROUP BY j.account_id, j.quota_day, j.operation"
    ).fetchall()
    return [Kept(account, day, OperationName(op), *counts) for account, day, op, *counts in rows]
