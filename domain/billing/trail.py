"""What money did for a job: its hold, its usage event, its transactions. Reading only."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from schemas.ids import JobId

_PAGE: Final = 5000


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One row of `holds`; `amount` in minor units of `unit`."""

    job_id: JobId
    account_id: str
    unit: str
    amount: int
    price_id: str | None
    state: str
    transaction_id: int | None
    admitted_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one row of `usage_events` says of money and of the end."""

    id: str
    job_id: JobId
    account_id: str
    outcome: str
    code: str | None
    unit: str
    amount: int
    charged: int
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a transaction that names the job, on the ledger account `ledger`."""

    transaction_id: int
    kind: str
    recorded_at: datetime
    ledger: str
    unit: str
    amount: int
    balance_after: int


def holds(conn: Connection, job_ids: Collection[JobId]) -> dict[JobId, HoldRow]:
    """Return the holds that these jobs have."""
    with conn.cursor(row_factory=class_row(HoldRow)) as cursor:
        rows = cursor.execute(
            "SELECT job_id, account_id, unit, amount, price_id, state, transaction_id,"
            " admitted_at, closed_at FROM holds WHERE job_id = ANY(%s)",
            (list(job_ids),),
        ).fetchall()
    return {row.job_id: row for row in rows}


def usage(conn: Connection, job_ids: Collection[JobId]) -> dict[JobId, UsageRow]:
    """Return the usage events that are on record of these jobs."""
    ids = [f"{job_id}.usage" for job_id in job_ids]
    with conn.cursor(row_factory=class_row(UsageRow)) as cursor:
        rows = cursor.execute(
            "SELECT id, job_id, account_id, outcome, code, unit, amount, charged, ended_at"
            " FROM usage_events WHERE id = ANY(%s)",
            (ids,),
        ).fetchall()
    return {row.job_id: row for row in rows}


def entries(conn: Connection, account_id: str, job_id: JobId) -> list[Entry]:
    """Return the entries of an account's transactions that name a job, in order."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            "SELECT t.id AS transaction_id, t.kind, t.recorded_at, a.name AS ledger, a.unit,"
            " e.amount, e.balance_after FROM ledger_transactions t"
            " JOIN ledger_entries e ON e.transaction_id = t.id"
            " JOIN ledger_accounts a ON a.id = e.ledger_account_id"
            " WHERE t.account_id = %s AND t.job_id = %s ORDER BY t.id, a.id",
            (account_id, job_id),
        ).fetchall()


def recorded(conn: Connection) -> Iterator[list[tuple[str, datetime]]]:
    """Yield the ids of all usage events with when their jobs ended, a page at a time."""
    last = ""
    while True:
        rows = conn.execute(
            "SELECT id, ended_at FROM usage_events WHERE id > %s ORDER BY id LIMIT %s",
            (last, _PAGE),
        ).fetchall()
        if not rows:
            return
        yield [(str(id_), ended_at) for id_, ended_at in rows]
        last = str(rows[-1][0])
