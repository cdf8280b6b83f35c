"""The SQL of what plans allow."""

from collections.abc import Iterable
from typing import Final

from psycopg import Connection

from domain.admission.limits import Limit
from schemas.decisions import Quota
from schemas.operations import OperationName

_ALL: Final = "*"


def every(conn: Connection) -> dict[str, list[Limit]]:
    """Return the limits of each plan that has any, those of all operations first."""
    rows = conn.execute(
        "SELECT plan, quota, operation, value FROM plan_limits"
        " ORDER BY plan, operation <> %s, operation, quota",
        (_ALL,),
    ).fetchall()
    found: dict[str, list[Limit]] = {}
    for plan, quota, operation, value in rows:
        scope = None if operation == _ALL else OperationName(operation)
        found.setdefault(plan, []).append(Limit(Quota(quota), scope, value))
    return found


def put(conn: Connection, plan: str, limits: Iterable[Limit]) -> None:
    """Set limits of a plan, which must exist; one without a value is taken away."""
    given = list(limits)
    gone = [limit for limit in given if limit.value is None]
    conn.execute(
        "DELETE FROM plan_limits p USING unnest(%s::text[], %s::text[]) AS g (quota, operation)"
        " WHERE p.plan = %s AND p.quota = g.quota AND p.operation = g.operation",
        ([g.quota for g in gone], [g.operation or _ALL for g in gone], plan),
    )
    kept = {(k.operation or _ALL, k.quota): k.value for k in given if k.value is not None}
    conn.execute(
        "INSERT INTO plan_limits (plan, operation, quota, value)"
        " SELECT %s, k.operation, k.quota, k.value"
        " FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS k (operation, quota, value)"
        " ON CONFLICT (plan, operation, quota) DO UPDATE SET value = excluded.value",
        (plan, [o for o, _ in kept], [q for _, q in kept], list(kept.values())),
    )
