"""The SQL of accounts, credentials and suspensions."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from domain.accounts.model import Account, AccountKind, AccountState, ApiKey
from schemas.ids import AccountId

_COLUMNS = "id, name, kind, state, unit, created_at, plan, time_zone"


def _account(row: dict[str, Any]) -> Account:
    return Account(
        id=AccountId(row["id"]),
        name=row["name"],
        kind=AccountKind(row["kind"]),
        state=AccountState(row["state"]),
        unit=row["unit"],
        created_at=row["created_at"],
        plan=row["plan"],
        time_zone=row["time_zone"],
    )


def insert(conn: Connection, account: Account) -> None:
    """Add an account.

    Raises `psycopg.errors.UniqueViolation` when its id is taken, and
    `psycopg.errors.ForeignKeyViolation` when there is no such plan.
    """
    conn.execute(
        "INSERT INTO accounts (id, name, kind, state, unit, created_at, plan, time_zone)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            account.id,
            account.name,
            account.kind,
            account.state,
            account.unit,
            account.created_at,
            account.plan,
            account.time_zone,
        ),
    )


def get(conn: Connection, account_id: AccountId) -> Account | None:
    """Return an account, or None."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE id = %s",
            (account_id,),
        ).fetchone()
    return _account(row) if row else None


def active(conn: Connection, account_ids: Collection[str]) -> dict[str, str]:
    """Return the plans of those of `account_ids` whose jobs may run."""
    rows = conn.execute(
        "SELECT id, plan FROM accounts WHERE id = ANY(%s) AND state = 'active'",
        (list(account_ids),),
    ).fetchall()
    return dict(rows)


def every(conn: Connection) -> list[Account]:
    """Return all accounts, oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"SELECT {_COLUMNS} FROM accounts ORDER BY created_at, id").fetchall()
    return [_account(row) for row in rows]


def lock_shared(conn: Connection, account_ids: Collection[str]) -> dict[str, Account]:
    """Return those of `account_ids` that exist, locked against a change of their state.

    Held until the transaction ends. Rows are locked in the order of their ids.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE id = ANY(%s) ORDER BY id FOR SHARE",
            (list(account_ids),),
        ).fetchall()
    return {row["id"]: _account(row) for row in rows}


def lock_to_change(conn: Connection, account_id: AccountId) -> Account | None:
    """Return an account, locked against everything that reads it to start work."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE id = %s FOR UPDATE",
            (account_id,),
        ).fetchone()
    return _account(row) if row else None


def barred(conn: Connection) -> list[AccountId]:
    """Return the accounts whose jobs may not start."""
    rows = conn.execute("SELECT id FROM accounts WHERE state <> 'active'").fetchall()
    return [AccountId(row[0]) for row in rows]


def set_state(conn: Connection, account_id: AccountId, state: AccountState) -> None:
    """Change an account's state."""
    conn.execute("UPDATE accounts SET state = %s WHERE id = %s", (state, account_id))


def set_terms(conn: Connection, account_id: AccountId, *, plan: str, time_zone: str) -> None:
    """Put an account on a plan, which must exist, and its calendar into a time zone."""
    conn.execute(
        "UPDATE accounts SET plan = %s, time_zone = %s WHERE id = %s",
        (plan, time_zone, account_id),
    )


def open_suspension(
    conn: Connection, account_id: AccountId, *, reason: str, by: str, at: datetime
) -> None:
    """Record that an account is suspended."""
    conn.execute(
        "INSERT INTO suspensions (account_id, reason, by, at) VALUES (%s, %s, %s, %s)",
        (account_id, reason, by, at),
    )


def count_suspended(conn: Connection) -> int:
    """Return how many accounts are suspended. Reads as many rows as are."""
    row = conn.execute("SELECT count(*) FROM suspensions WHERE lifted_at IS NULL").fetchone()
    return int(row[0]) if row else 0


def suspended_by(conn: Connection, account_id: AccountId) -> str | None:
    """Return who suspended an account, as it was recorded; None when it is not suspended."""
    row = conn.execute(
        "SELECT by FROM suspensions WHERE account_id = %s AND lifted_at IS NULL", (account_id,)
    ).fetchone()
    return str(row[0]) if row else None


def lift_suspension(conn: Connection, account_id: AccountId, *, by: str, at: datetime) -> None:
    """Record that an account's open suspension is lifted."""
    conn.execute(
        "UPDATE suspensions SET lifted_at = %s, lifted_by = %s"
        " WHERE account_id = %s AND lifted_at IS NULL",
        (at, by, account_id),
    )


def insert_api_key(conn: Connection, account_id: AccountId, key: ApiKey, at: datetime) -> None:
    """Add an API key, of which only the hash is kept."""
    conn.execute(
        "INSERT INTO credentials (id, account_id, kind, secret_sha256, created_at)"
        " VALUES (%s, %s, 'api_key', %s, %s)",
        (key.id, account_id, key.secret_sha256, at),
    )


def insert_object_store_key(
    conn: Connection, account_id: AccountId, access_key: str, at: datetime
) -> None:
    """Note which object-store key an account was given; its secret is kept by the store."""
    conn.execute(
        "INSERT INTO credentials (id, account_id, kind, created_at)"
        " VALUES (%s, %s, 'object_store', %s)",
        (access_key, account_id, at),
    )


def api_key_holder(conn: Connection, key_id: str) -> tuple[Account, bytes] | None:
    """Return the account and secret hash of a live API key, or None."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT a.id, a.name, a.kind, a.state, a.unit, a.created_at, a.plan, a.time_zone,"
            " c.secret_sha256"
            " FROM credentials c JOIN accounts a ON a.id = c.account_id"
            " WHERE c.id = %s AND c.kind = 'api_key' AND c.revoked_at IS NULL",
            (key_id,),
        ).fetchone()
    return (_account(row), row["secret_sha256"]) if row else None


def revoke(conn: Connection, account_id: AccountId, credential_id: str, at: datetime) -> bool:
    """Revoke one of an account's credentials; False when it has no such live one."""
    done = conn.execute(
        "UPDATE credentials SET revoked_at = %s"
        " WHERE id = %s AND account_id = %s AND revoked_at IS NULL",
        (at, credential_id, account_id),
    )
    return done.rowcount == 1
