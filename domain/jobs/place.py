"""Where a job stands in its operation's line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection

from schemas.operations import OperationName

COUNTED: Final = 10_000
"""How many jobs ahead are counted; further back it is told that there are more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting job stands: 1 is next.

    With `at_least` it stands there or further back, and starts then or later. `estimated_start`
    is None when its line has not moved lately, or the job may not start.
    """

    position: int
    at_least: bool
    estimated_start: datetime | None


def ahead_of_its_own(
    conn: Connection,
    operation: OperationName,
    account_id: str,
    *,
    priority: int,
    seq: int,
    limit: int,
) -> int:
    """Return how many jobs of its account go before a job; counting stops at `limit`."""
    row = conn.execute(
        "SELECT count(*) FROM ("
        " (SELECT FROM jobs WHERE state = 'queued' AND operation = %(operation)s"
        "  AND account_id = %(account)s AND priority > %(priority)s"
        "  ORDER BY priority DESC, seq LIMIT %(limit)s)"
        " UNION ALL"
        " (SELECT FROM jobs WHERE state = 'queued' AND operation = %(operation)s"
        "  AND account_id = %(account)s AND priority = %(priority)s AND seq < %(seq)s"
        "  ORDER BY priority DESC, seq LIMIT %(limit)s) LIMIT %(limit)s) ahead",
        {
            "operation": operation,
            "account": account_id,
            "priority": priority,
            "seq": seq,
            "limit": limit,
        },
    ).fetchone()
    return int(row[0]) if row else 0


def lines(
    conn: Connection, operation: OperationName, *, after: str, each: int, limit: int
) -> dict[str, int]:
    """Return the accounts behind `after` that have jobs waiting, in order, and how many.

    Of one account `each` are counted at most, and no further account is looked at once there
    are `limit` in all: if there are less, these are all accounts. Finds an account and counts
    its line in one look into the index.
    """
    rows = conn.execute(
        "WITH RECURSIVE line (account_id, jobs, total) AS ("
        f" SELECT account_id, jobs, jobs FROM ({_NEXT.format('%(after)s')}) first"
        " UNION ALL SELECT n.account_id, n.jobs, l.total + n.jobs FROM line l"
        f" CROSS JOIN LATERAL ({_NEXT.format('l.account_id')}) n WHERE l.total < %(limit)s)"
        " SELECT account_id, jobs FROM line ORDER BY total",
        {"operation": operation, "after": after, "each": each, "limit": limit},
    ).fetchall()
    return dict(rows)


_NEXT: Final = (
    "SELECT account_id, count(*) AS jobs FROM (SELECT account_id FROM jobs"
    " WHERE state = 'queued' AND operation = %(operation)s AND account_id > {}"
    " ORDER BY account_id, priority DESC, seq LIMIT %(each)s) l"
    " GROUP BY account_id ORDER BY account_id LIMIT 1"
)
"""The line of the first account behind another; what follows it, if it is short, is cut off."""


def ahead_of_others(
    conn: Connection, operation: OperationName, shares: Mapping[str, int], *, limit: int
) -> int:
    """Return how many jobs of other accounts have their turn before, each up to its share.

    Counting stops at `limit`.
    """
    row = conn.execute(
        "SELECT count(*) FROM (SELECT FROM unnest(%s::text[], %s::bigint[]) AS s (account_id, jobs)"
        " CROSS JOIN LATERAL (SELECT FROM jobs WHERE state = 'queued' AND operation = %s"
        "  AND account_id = s.account_id ORDER BY priority DESC, seq LIMIT s.jobs) line"
        " LIMIT %s) ahead",
        (list(shares), list(shares.values()), operation, limit),
    ).fetchone()
    return int(row[0]) if row else 0
