"""Statements of account. Reading only; any role with SELECT may."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import kwargs_row, scalar_row

from domain.billing import store
from domain.billing.errors import NoLedgerAccountsError
from domain.billing.model import (
    LedgerName,
    Statement,
    StatementLine,
    TransactionKind,
)
from schemas.ids import AccountId, JobId


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
