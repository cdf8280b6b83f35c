"""The SQL of billing's writes and balances: one function call each, many rows at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from pydantic_core import to_json

from domain.billing.model import Balance, NewHold, Usage
from schemas.ids import AccountId, JobId


@dataclass(frozen=True, slots=True)
class HoldRow:
    """What became of one requested hold; `free` is what was left after it."""

    job_id: JobId
    outcome: str
    free: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What became of one usage event; `ordinality` counts from 1 in the order sent."""

    ordinality: int
    verdict: str
    held_amount: int | None
    recorded_outcome: str | None


def open_accounts(conn: Connection[object], account_id: AccountId, currency: str) -> str:
    """Make what ledger accounts are missing; return the account's currency."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        cursor.execute("SELECT billing_open_accounts(%s, %s)", (account_id, currency))
        return str(cursor.fetchone())


def top_up(
    conn: Connection[object], account_id: AccountId, amount: int, key: str, at: datetime
) -> int:
    """Post a top-up once per key; return its transaction."""
    return _transaction(
        conn, "SELECT billing_top_up(%s, %s, %s, %s)", (account_id, amount, key, at)
    )


def credit(conn: Connection[object], job_id: JobId, amount: int, key: str, at: datetime) -> int:
    """Post a credit once per key; return its transaction."""
    return _transaction(conn, "SELECT billing_credit(%s, %s, %s, %s)", (job_id, amount, key, at))


def reverse(conn: Connection[object], transaction_id: int, key: str, at: datetime) -> int:
    """Post a reversal once per key; return its transaction."""
    return _transaction(conn, "SELECT billing_reverse(%s, %s, %s)", (transaction_id, key, at))


def post_holds(conn: Connection[object], holds: Sequence[NewHold]) -> list[HoldRow]:
    """Post holds of distinct jobs; one row each, in the same order."""
    with conn.cursor(row_factory=class_row(HoldRow)) as cursor:
        cursor.execute(
            "SELECT job_id, outcome, free FROM billing_post_holds(%s::jsonb)", (_records(holds),)
        )
        return cursor.fetchall()


def record_usage(conn: Connection[object], usages: Sequence[Usage], at: datetime) -> list[UsageRow]:
    """Record usage and close holds; one row per usage, in the same order."""
    with conn.cursor(row_factory=class_row(UsageRow)) as cursor:
        cursor.execute(
            "SELECT ordinality, verdict, held_amount, recorded_outcome "
            "FROM billing_record_usage(%s::jsonb, %s) ORDER BY ordinality",
            (_records(usages), at),
        )
        return cursor.fetchall()


def balance(conn: Connection[object], account_id: AccountId) -> Balance | None:
    """Return what is available and held in the account's currency."""
    with conn.cursor(row_factory=class_row(Balance)) as cursor:
        cursor.execute(
            """
            SELECT a.balance AS available, h.balance AS held, a.unit
            FROM ledger_accounts a
            JOIN ledger_accounts h
                ON h.account_id = a.account_id AND h.name = 'held' AND h.unit = a.unit
            WHERE a.account_id = %s AND a.name = 'available'
            """,
            (account_id,),
        )
        return cursor.fetchone()


def open_holds(conn: Connection[object], job_ids: Sequence[JobId] | None) -> frozenset[JobId]:
    """Return which of these jobs, or of all, have an open hold."""
    wanted = None if job_ids is None else list(job_ids)
    with conn.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            "SELECT job_id FROM holds"
            " WHERE state = 'open' AND (%(jobs)s::text[] IS NULL OR job_id = ANY(%(jobs)s))",
            {"jobs": wanted},
        )
        return frozenset(JobId(str(job_id)) for job_id in cursor)


def _transaction(
    conn: Connection[object], call: LiteralString, parameters: tuple[object, ...]
) -> int:
    with conn.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(call, parameters)
        return int(str(cursor.fetchone()))


def _records(rows: Sequence[NewHold] | Sequence[Usage]) -> str:
    """Return rows as a JSON array of objects, each field under its name."""
    return to_json(list(rows)).decode()
