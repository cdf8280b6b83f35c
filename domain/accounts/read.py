"""The SQL by which accounts are looked at, for operators. Nothing is locked or changed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from schemas.ids import AccountId


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as it is kept: no secret. `kind` is api_key or object_store."""

    id: str
    kind: str
    created_at: datetime
    revoked_at: datetime | None


def credentials_of(conn: Connection, account_id: AccountId) -> list[Credential]:
    """Return an account's credentials, revoked ones too, oldest first."""
    with conn.cursor(row_factory=class_row(Credential)) as cursor:
        return cursor.execute(
            "SELECT id, kind, created_at, revoked_at FROM credentials"
            " WHERE account_id = %s ORDER BY created_at, id",
            (account_id,),
        ).fetchall()


def suspended_for(conn: Connection, account_id: AccountId) -> str | None:
    """Return why an account is suspended; None when it is not."""
    row = conn.execute(
        "SELECT reason FROM suspensions WHERE account_id = %s AND lifted_at IS NULL",
        (account_id,),
    ).fetchone()
    return str(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What rules against misuse are told of an account."""

    plan: str
    created_at: datetime


def standings(conn: Connection, account_ids: Collection[str]) -> dict[str, Standing]:
    """Return how accounts stand; those that there are not are missing."""
    rows = conn.execute(
        "SELECT id, plan, created_at FROM accounts WHERE id = ANY(%s)", (list(account_ids),)
    ).fetchall()
    return {id_: Standing(plan, created_at) for id_, plan, created_at in rows}


def holders(conn: Connection, key_ids: Collection[str]) -> dict[str, AccountId]:
    """Return whose API keys are, revoked ones too; those that there are not are missing."""
    rows = conn.execute(
        "SELECT id, account_id FROM credentials WHERE id = ANY(%s) AND kind = 'api_key'",
        (list(key_ids),),
    ).fetchall()
    return {id_: AccountId(account_id) for id_, account_id in rows}
