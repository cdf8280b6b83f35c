"""Overrides: what one account may use instead of what its plan says, for a time.

    OverrideError
    ├── OverrideInvalidError    its times or its words cannot be
    ├── OverrideConflictError   another says something about a moment that this one is about
    └── OverrideUnknownError    no override has this number

`LimitInvalidError` is raised where its limit is made.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.admission.limits import Limit
from schemas.decisions import Quota
from schemas.operations import OperationName

LONGEST_WORDS: Final = 500
_ALL: Final = "*"
_COLUMNS: Final = (
    "id, account_id, quota, operation, value, starts_at, ends_at, reason, by, at, ended_by"
)
_Row = tuple[
    int, str, str, str, int | None, datetime, datetime | None, str, str, datetime, str | None
]


class OverrideError(Exception):
    """An override that is refused."""


class OverrideInvalidError(OverrideError, ValueError):
    """Its times or its words cannot be."""


class OverrideUnknownError(OverrideError, LookupError):
    """No override has this number."""

    def __init__(self, override_id: int) -> None:
        super().__init__(f"no override {override_id}; `picmend quota show ACCOUNT` lists them")


@dataclass(frozen=True, slots=True)
class Override:
    """An override as it is kept: in force from `starts_at` until before `ends_at`, or for good.

    One that was ended before it began ends as it starts. `ended_by` is who ended it early.
    """

    id: int
    account_id: str
    limit: Limit
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    by: str
    at: datetime
    ended_by: str | None

    def in_force(self, at: datetime) -> bool:
        """Tell whether it stands for its plan's limit at `at`."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)

    def times(self) -> str:
        """Return from when until when it is in force, in words."""
        end = "on" if self.ends_at is None else f"to {self.ends_at.isoformat()}"
        return f"from {self.starts_at.isoformat()} {end}"


class OverrideConflictError(OverrideError):
    """Another override says something about a moment that this one is about: `other`."""

    def __init__(self, account_id: str, limit: Limit, other: Override | None) -> None:
        named = f" {other.id} ({other.limit} {other.times()})" if other else ""
        super().__init__(
            f"{account_id} has an override of {limit.name}{named} at that time;"
            " end it first, or choose times that do not meet"
        )
        self.other = other


def add(
    conn: Connection,
    account_id: str,
    limit: Limit,
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    reason: str,
    by: str,
    at: datetime,
) -> Override:
    """Give an account, which must exist, another limit than its plan's; times are aware.

    Whoever adds one that meets it waits for this transaction. Raises `OverrideInvalidError` and
    `OverrideConflictError`, after which the transaction can go on.
    """
    _check(starts_at, ends_at, reason=reason, by=by, at=at)
    row = conn.execute(
        "INSERT INTO quota_overrides (account_id, quota, operation, value, starts_at, ends_at,"
        " reason, by, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        f" ON CONFLICT ON CONSTRAINT one_override_at_a_time DO NOTHING RETURNING {_COLUMNS}",
        (
            account_id,
            limit.quota,
            limit.operation or _ALL,
            limit.value,
            starts_at,
            ends_at,
            reason,
            by,
            at,
        ),
    ).fetchone()
    if row is None:
        other = _meeting(conn, account_id, limit, starts_at, ends_at)
        raise OverrideConflictError(account_id, limit, other)
    return _override(row)


def end(conn: Connection, override_id: int, *, by: str, at: datetime) -> Override:
    """End an override at `at`, or before it begins; one that is over stays as it is.

    Raises `OverrideInvalidError` and `OverrideUnknownError`.
    """
    _check_words("by", by)
    conn.execute(
        "UPDATE quota_overrides SET ends_at = greatest(starts_at, %(at)s), ended_by = %(by)s"
        " WHERE id = %(id)s AND (ends_at IS NULL OR ends_at > greatest(starts_at, %(at)s))",
        {"id": override_id, "by": by, "at": at},
    )
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM quota_overrides WHERE id = %s", (override_id,)
    ).fetchone()
    if row is None:
        raise OverrideUnknownError(override_id)
    return _override(row)


def of_account(conn: Connection, account_id: str) -> list[Override]:
    """Return all overrides that an account ever had, in the order of their starts."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM quota_overrides WHERE account_id = %s ORDER BY starts_at, id",
        (account_id,),
    ).fetchall()
    return [_override(row) for row in rows]


def _check(
    starts_at: datetime, ends_at: datetime | None, *, reason: str, by: str, at: datetime
) -> None:
    if ends_at is not None and ends_at <= starts_at:
        raise OverrideInvalidError(
            f"it would end at {ends_at.isoformat()}, which is not behind its start,"
            f" {starts_at.isoformat()}"
        )
    if ends_at is not None and ends_at <= at:
        raise OverrideInvalidError(f"it would be over already: it ends at {ends_at.isoformat()}")
    _check_words("reason", reason)
    _check_words("by", by)


def _check_words(name: str, words: str) -> None:
    if not 1 <= len(words.strip()) <= LONGEST_WORDS or not words.isprintable():
        raise OverrideInvalidError(f"{name} has 1 to {LONGEST_WORDS} printable characters")


def _meeting(
    conn: Connection,
    account_id: str,
    limit: Limit,
    starts_at: datetime,
    ends_at: datetime | None,
) -> Override | None:
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM quota_overrides"
        " WHERE account_id = %s AND quota = %s AND operation = %s"
        " AND tstzrange(starts_at, ends_at) && tstzrange(%s, %s) ORDER BY starts_at LIMIT 1",
        (account_id, limit.quota, limit.operation or _ALL, starts_at, ends_at),
    ).fetchone()
    return _override(row) if row else None


def _override(row: _Row) -> Override:
    id_, account_id, quota, operation, value, starts_at, ends_at, reason, by, at, ended_by = row
    scope = None if operation == _ALL else OperationName(operation)
    limit = Limit(Quota(quota), scope, value)
    return Override(id_, account_id, limit, starts_at, ends_at, reason, by, at, ended_by)
