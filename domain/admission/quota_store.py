"""The SQL of limits, and of what accounts have used of them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Final

from psycopg import Connection
from pydantic_core import to_json

from domain.admission.quotas import Limits, Month, Used
from schemas.decisions import Quota
from schemas.operations import OperationName

_ALL: Final = "*"


def limits(conn: Connection, plans: Mapping[str, str], at: datetime) -> dict[str, Limits]:
    """Return what accounts may use at `at`, given their plans by account.

    An override that is in force stands for its plan's limit; one of no value takes it away.
    """
    rows = conn.execute(
        "SELECT '', plan, operation, quota, value FROM plan_limits WHERE plan = ANY(%s)"
        " UNION ALL"
        " SELECT account_id, '', operation, quota, value FROM quota_overrides"
        " WHERE account_id = ANY(%s) AND starts_at <= %s AND (ends_at IS NULL OR ends_at > %s)",
        (list(set(plans.values())), list(plans), at, at),
    ).fetchall()
    of_plan: dict[str, dict[tuple[OperationName | None, Quota], int]] = {}
    instead: dict[str, dict[tuple[OperationName | None, Quota], int | None]] = {}
    for account, plan, operation, quota, value in rows:
        key = (None if operation == _ALL else OperationName(operation), Quota(quota))
        if account:
            instead.setdefault(account, {})[key] = value
        else:
            of_plan.setdefault(plan, {})[key] = value
    found: dict[str, Limits] = {}
    for account, plan in plans.items():
        own = of_plan.get(plan, {})
        if account in instead:
            merged = own | instead[account]
            own = {key: value for key, value in merged.items() if value is not None}
        found[account] = own
    return found


def lock_months(
    conn: Connection, wanted: Collection[tuple[str, date]]
) -> dict[tuple[str, date], Month]:
    """Return what accounts have used in local months, locked until the transaction ends.

    A month is named by its first day. Rows are locked in the order of account and month; one
    that is missing is added, so that whoever else wants it waits.
    """
    found = _lock(conn, wanted)
    missing = sorted(set(wanted) - found.keys())
    if missing:
        conn.execute(
            "INSERT INTO quota_months (account_id, month)"
            " SELECT m.account_id, m.month FROM unnest(%s::text[], %s::date[])"
            " AS m (account_id, month) ORDER BY 1, 2 ON CONFLICT DO NOTHING",
            ([account for account, _ in missing], [month for _, month in missing]),
        )
        found |= _lock(conn, missing)
    return found


def _lock(conn: Connection, wanted: Collection[tuple[str, date]]) -> dict[tuple[str, date], Month]:
    rows = conn.execute(
        "SELECT q.account_id, q.month, q.used FROM quota_months q"
        " JOIN unnest(%s::text[], %s::date[]) AS m (account_id, month)"
        " ON q.account_id = m.account_id AND q.month = m.month"
        " ORDER BY q.account_id, q.month FOR UPDATE OF q",
        ([account for account, _ in wanted], [month for _, month in wanted]),
    ).fetchall()
    return {(account, month): _month(month, used) for account, month, used in rows}


def save_months(conn: Connection, months: Mapping[tuple[str, date], Month]) -> None:
    """Write what accounts have used; the rows are locked by this transaction."""
    if not months:
        return
    rows = [
        {"account_id": account_id, "month": first, "used": _used(month)}
        for (account_id, first), month in months.items()
    ]
    conn.execute(
        "UPDATE quota_months q SET used = m.used"
        " FROM json_to_recordset(%s::json) AS m (account_id text, month date, used jsonb)"
        " WHERE q.account_id = m.account_id AND q.month = m.month",
        (to_json(rows).decode(),),
    )


def months_of(conn: Connection, account_id: str) -> dict[date, Month]:
    """Return what an account has used, by month; nothing is locked."""
    rows = conn.execute(
        "SELECT month, used FROM quota_months WHERE account_id = %s ORDER BY month", (account_id,)
    ).fetchall()
    return {month: _month(month, used) for month, used in rows}


def every_month(conn: Connection) -> dict[tuple[str, date], Month]:
    """Return what all accounts have used, by account and month; nothing is locked."""
    rows = conn.execute("SELECT account_id, month, used FROM quota_months").fetchall()
    return {(account, month): _month(month, used) for account, month, used in rows}


def _month(first: date, used: Mapping[str, Mapping[str, Iterable[int]]]) -> Month:
    return Month(
        {
            (first.replace(day=int(day)), OperationName(operation)): Used(*counts)
            for day, operations in used.items()
            for operation, counts in operations.items()
        }
    )


def _used(month: Month) -> dict[str, dict[str, list[int]]]:
    days: dict[str, dict[str, list[int]]] = {}
    for (day, operation), used in month.days.items():
        days.setdefault(str(day.day), {})[operation] = [used.jobs, used.megapixels]
    return days
