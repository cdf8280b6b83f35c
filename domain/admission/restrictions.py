"""What a finding, or an operator, does to a subject while it is in force."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import Connection

from domain.admission.facts import Subject, SubjectKind
from schemas.operations import OperationName


class Step(StrEnum):
    """A step of a rule's ladder, the mildest first."""

    FLAG = "flag"
    SLOW_DOWN = "slow_down"
    REVIEW = "review"
    SUSPEND_OPERATION = "suspend_operation"
    SUSPEND_ACCOUNT = "suspend_account"


@dataclass(frozen=True, slots=True)
class Restricted:
    """What is in force against one account. Suspensions as a whole are in its state."""

    slow: bool = False
    review: bool = False
    suspended: frozenset[OperationName] = frozenset()


FREE = Restricted()


def in_force(conn: Connection, account_ids: Collection[str], at: datetime) -> dict[str, Restricted]:
    """Return what is in force against accounts; those that are missing are free."""
    rows = conn.execute(
        "SELECT subject, bool_or(step = 'slow_down'), bool_or(step = 'review'),"
        " array_remove(array_agg(DISTINCT operation), NULL)"
        " FROM restrictions WHERE kind = 'account' AND subject = ANY(%s)"
        " AND lifted_at IS NULL AND (until IS NULL OR until > %s) GROUP BY subject",
        (list(account_ids), at),
    ).fetchall()
    return {
        account: Restricted(slow, review, frozenset(map(OperationName, operations)))
        for account, slow, review, operations in rows
    }


def slowed(conn: Connection, at: datetime) -> set[str]:
    """Return the accounts that are slowed down."""
    rows = conn.execute(
        "SELECT subject FROM restrictions WHERE kind = 'account' AND step = 'slow_down'"
        " AND lifted_at IS NULL AND (until IS NULL OR until > %s)",
        (at,),
    ).fetchall()
    return {row[0] for row in rows}


def suspended_operations(conn: Connection, at: datetime) -> set[tuple[str, OperationName]]:
    """Return the accounts for which an operation is suspended, with that operation."""
    rows = conn.execute(
        "SELECT subject, operation FROM restrictions WHERE kind = 'account'"
        " AND step = 'suspend_operation' AND lifted_at IS NULL AND (until IS NULL OR until > %s)",
        (at,),
    ).fetchall()
    return {(account, OperationName(operation)) for account, operation in rows}


def count(conn: Connection, at: datetime) -> dict[tuple[SubjectKind, Step], int]:
    """Return against how many subjects each step is in force. Reads as many rows as are."""
    rows = conn.execute(
        "SELECT kind, step, count(DISTINCT subject) FROM restrictions"
        " WHERE lifted_at IS NULL AND (until IS NULL OR until > %s) GROUP BY kind, step",
        (at,),
    ).fetchall()
    return {(SubjectKind(kind), Step(step)): subjects for kind, step, subjects in rows}


def restrict(
    conn: Connection,
    subject: Subject,
    step: Step,
    *,
    operation: OperationName | None = None,
    finding_id: str | None,
    reason: str,
    by: str,
    since: datetime,
    until: datetime | None,
) -> int:
    """Put a restriction in force and return its number.

    One on an account that keeps jobs from starting acts at once only if the caller has locked
    the account to change it: see `domain.pipeline.restrain`.
    """
    row = conn.execute(
        "INSERT INTO restrictions"
        " (kind, subject, operation, step, finding_id, reason, by, since, until)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (subject.kind, subject.id, operation, step, finding_id, reason, by, since, until),
    ).fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


def subjects_of(conn: Connection, finding_id: str) -> set[Subject]:
    """Return whom a finding has something in force against."""
    rows = conn.execute(
        "SELECT DISTINCT kind, subject FROM restrictions"
        " WHERE finding_id = %s AND lifted_at IS NULL",
        (finding_id,),
    ).fetchall()
    return {Subject(SubjectKind(kind), subject) for kind, subject in rows}


def lift(conn: Connection, finding_id: str, *, by: str, at: datetime) -> None:
    """Lift what a finding put in force."""
    conn.execute(
        "UPDATE restrictions SET lifted_at = %s, lifted_by = %s"
        " WHERE finding_id = %s AND lifted_at IS NULL",
        (at, by, finding_id),
    )


@dataclass(frozen=True, slots=True)
class Restriction:
    """One step against one subject; what is lifted, or over by `until`, is not in force."""

    id: int
    subject: Subject
    operation: OperationName | None
    step: Step
    finding_id: str | None
    reason: str
    since: datetime
    until: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None


def of_finding(conn: Connection, finding_id: str) -> list[Restriction]:
    """Return all that a finding ever put in force, oldest first."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM restrictions WHERE finding_id = %s ORDER BY id", (finding_id,)
    ).fetchall()
    return [_restriction(row) for row in rows]


def overdue(conn: Connection, at: datetime, limit: int) -> list[Restriction]:
    """Return restrictions of findings whose time is over and that nobody lifted."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM restrictions WHERE lifted_at IS NULL AND until <= %s"
        " AND finding_id IS NOT NULL ORDER BY subject, id LIMIT %s",
        (at, limit),
    ).fetchall()
    return [_restriction(row) for row in rows]


def lift_one(conn: Connection, restriction_id: int, *, by: str, at: datetime) -> None:
    """Lift one restriction."""
    conn.execute(
        "UPDATE restrictions SET lifted_at = %s, lifted_by = %s"
        " WHERE id = %s AND lifted_at IS NULL",
        (at, by, restriction_id),
    )


def suspending(conn: Connection, account_id: str, at: datetime) -> tuple[str, str] | None:
    """Return a finding by which an account as a whole is suspended, with the reason."""
    row = conn.execute(
        "SELECT finding_id, reason FROM restrictions WHERE kind = 'account' AND subject = %s"
        " AND step = 'suspend_account' AND finding_id IS NOT NULL"
        " AND lifted_at IS NULL AND (until IS NULL OR until > %s)"
        " ORDER BY until DESC NULLS FIRST LIMIT 1",
        (account_id, at),
    ).fetchone()
    return (row[0], row[1]) if row else None


_COLUMNS = (
    "id, kind, subject, operation, step, finding_id, reason, since, until, lifted_at, lifted_by"
)


def _restriction(row: tuple[Any, ...]) -> Restriction:
    id_, kind, subject, operation, step, *rest = row
    return Restriction(
        id_,
        Subject(SubjectKind(kind), subject),
        OperationName(operation) if operation else None,
        Step(step),
        *rest,
    )
