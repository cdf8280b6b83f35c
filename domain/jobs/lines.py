"""How many jobs of an account wait, in line and in review; how many are with the workers."""

from collections.abc import Mapping

from psycopg import Connection

from schemas.operations import OperationName


def waiting(conn: Connection, bounds: Mapping[str, int]) -> dict[str, dict[OperationName, int]]:
    """Return how many jobs of accounts wait, by operation; counting stops at each one's bound.

    Reads as many index entries as wait, up to the bound, of the operations that anybody waits for.
    """
    if not bounds:
        return {}
    rows = conn.execute(
        "WITH waited_for AS MATERIALIZED (SELECT o.name FROM unnest(%(operations)s::text[])"
        " AS o (name) WHERE (SELECT true FROM jobs WHERE state = 'queued' AND operation = o.name"
        "  ORDER BY account_id, priority DESC, seq LIMIT 1))"
        " SELECT a.id, o.name, line.jobs FROM unnest(%(ids)s::text[], %(bounds)s::bigint[])"
        " AS a (id, bound) CROSS JOIN waited_for AS o"
        " CROSS JOIN LATERAL (SELECT count(*) AS jobs FROM (SELECT FROM jobs"
        "  WHERE state = 'queued' AND operation = o.name AND account_id = a.id"
        "  ORDER BY priority DESC, seq LIMIT a.bound) l) line WHERE line.jobs > 0"
        " UNION ALL SELECT account_id, operation, count(*) FROM jobs"
        " WHERE state = 'review' AND account_id = ANY(%(ids)s) GROUP BY account_id, operation",
        {
            "ids": list(bounds),
            "bounds": list(bounds.values()),
            "operations": list(OperationName),
        },
    ).fetchall()
    found: dict[str, dict[OperationName, int]] = {}
    for account, operation, jobs in rows:
        of_account = found.setdefault(account, {})
        name = OperationName(operation)
        of_account[name] = of_account.get(name, 0) + jobs
    return found


def with_workers(conn: Connection, account_id: str) -> dict[OperationName, int]:
    """Return how many jobs of an account were handed to the workers and have not ended."""
    rows = conn.execute(
        "SELECT operation, count(*) FROM jobs"
        " WHERE state IN ('dispatched', 'running') AND account_id = %s GROUP BY operation",
        (account_id,),
    ).fetchall()
    return {OperationName(operation): jobs for operation, jobs in rows}
