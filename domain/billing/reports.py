"""What billing tells: statements and usage. Reading only; any role with SELECT may."""

from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import class_row, kwargs_row, scalar_row

from domain.billing import store
from domain.billing.errors import NoLedgerAccountsError
from domain.billing.model import (
    LedgerName,
    Statement,
    StatementLine,
    TransactionKind,
    UsageCursor,
    UsageGroup,
    UsagePage,
    UsageRecord,
    UsageTotal,
)
from schemas.ids import AccountId, JobId

LARGEST_PAGE = 1000

_GROUPS: dict[UsageGroup, LiteralString] = {
    UsageGroup.DAY: "to_char(admitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    UsageGroup.OPERATION: "operation",
    UsageGroup.PRESET: "preset",
    UsageGroup.OUTCOME: "outcome",
}


def statement(
    conn: Connection[object], account_id: AccountId, start: datetime, end: datetime
) -> Statement:
    """Return what happened to an account's money in [start, end), by time of admission.

    Raises `NoLedgerAccountsError`.
    """
    balance = store.balance(conn, account_id)
    if balance is None:
        raise NoLedgerAccountsError(f"account {account_id} has no ledger accounts")
    with conn.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(e.amount), 0)::bigint
            FROM ledger_transactions t
            JOIN ledger_entries e ON e.transaction_id = t.id
            JOIN ledger_accounts a ON a.id = e.ledger_account_id
            WHERE t.account_id = %s AND t.at < %s
            AND a.name IN ('available', 'held') AND a.unit = %s
            """,
            (account_id, start, balance.unit),
        )
        opening = int(str(cursor.fetchone()))
    lines = _lines(conn, account_id, balance.unit, start, end)
    return Statement(account_id, balance.unit, start, end, opening, lines)


def usage(
    conn: Connection[object],
    account_id: AccountId,
    start: datetime,
    end: datetime,
    *,
    after: UsageCursor | None = None,
    limit: int = 100,
) -> UsagePage:
    """Return a page of an account's usage admitted in [start, end), oldest first.

    `limit` is 1 to `LARGEST_PAGE`. The pages of a period that is over neither repeat nor
    leave out an event, save those whose jobs end while one reads.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise ValueError(f"a page has 1 to {LARGEST_PAGE} events, not {limit}")
    behind = after or UsageCursor(start, "")
    with conn.cursor(row_factory=class_row(UsageRecord)) as cursor:
        cursor.execute(
            """
            SELECT
                id, job_id, operation, preset, outcome, code, amount, charged, unit,
                environment, admitted_at, ended_at, input_bytes, input_pixels,
                output_bytes, output_pixels, duration_ms
            FROM usage_events
            WHERE account_id = %s AND admitted_at >= %s AND admitted_at < %s
            AND (admitted_at, id) > (%s, %s)
            ORDER BY admitted_at, id
            LIMIT %s
            """,
            (account_id, start, end, behind.admitted_at, behind.event_id, limit + 1),
        )
        found = cursor.fetchall()
    records = tuple(found[:limit])
    if len(found) <= limit:
        return UsagePage(records, None)
    return UsagePage(records, UsageCursor(records[-1].admitted_at, records[-1].id))


def usage_totals(
    conn: Connection[object],
    account_id: AccountId,
    start: datetime,
    end: datetime,
    by: UsageGroup,
) -> tuple[UsageTotal, ...]:
    """Return an account's usage admitted in [start, end), added up by `by` and unit."""
    query: LiteralString = f"""
        SELECT
            {_GROUPS[by]} AS "group", unit, count(*) AS jobs,
            coalesce(sum(charged), 0)::bigint AS charged,
            coalesce(sum(input_pixels), 0)::bigint AS input_pixels,
            coalesce(sum(output_pixels), 0)::bigint AS output_pixels,
            coalesce(sum(input_bytes), 0)::bigint AS input_bytes,
            coalesce(sum(output_bytes), 0)::bigint AS output_bytes
        FROM usage_events
        WHERE account_id = %s AND admitted_at >= %s AND admitted_at < %s
        GROUP BY 1, 2
        ORDER BY 1 NULLS LAST, 2
    """  # the group is one of this file's own expressions
    with conn.cursor(row_factory=class_row(UsageTotal)) as cursor:
        cursor.execute(query, (account_id, start, end))
        return tuple(cursor.fetchall())


def _lines(
    conn: Connection[object], account_id: AccountId, unit: str, start: datetime, end: datetime
) -> tuple[StatementLine, ...]:
    with conn.cursor(row_factory=kwargs_row(_line)) as cursor:
        cursor.execute(
            """
            SELECT
                t.at, t.recorded_at, t.id AS transaction_id, t.kind, t.job_id,
                a.name AS ledger, e.amount, e.balance_after, e.version
            FROM ledger_transactions t
            JOIN ledger_entries e ON e.transaction_id = t.id
            JOIN ledger_accounts a ON a.id = e.ledger_account_id
            WHERE t.account_id = %s AND t.at >= %s AND t.at < %s
            AND a.name IN ('available', 'held') AND a.unit = %s
            ORDER BY t.id, a.id
            """,
            (account_id, start, end, unit),
        )
        return tuple(cursor.fetchall())


def _line(
    *,
    at: datetime,
    recorded_at: datetime,
    transaction_id: int,
    kind: str,
    job_id: str | None,
    ledger: str,
    amount: int,
    balance_after: int,
    version: int,
) -> StatementLine:
    return StatementLine(
        at=at,
        recorded_at=recorded_at,
        transaction_id=transaction_id,
        kind=TransactionKind(kind),
        job_id=None if job_id is None else JobId(job_id),
        ledger=LedgerName(ledger),
        amount=amount,
        balance_after=balance_after,
        version=version,
    )
