"""Use cases of accounts. The caller owns the transaction."""

import hmac
from datetime import datetime

from psycopg import Connection

from domain.accounts import store
from domain.accounts.model import (
    DEFAULT_PLAN,
    DEFAULT_TIME_ZONE,
    Account,
    AccountKind,
    AccountState,
    AccountUnknownError,
    ApiKey,
    new_api_key,
    parse_api_key,
)
from schemas.ids import AccountId, new_account_id


def create(
    conn: Connection,
    *,
    name: str,
    kind: AccountKind,
    unit: str,
    at: datetime,
    plan: str = DEFAULT_PLAN,
    time_zone: str = DEFAULT_TIME_ZONE,
) -> tuple[Account, ApiKey]:
    """Add an account with its first API key, which is returned here and never again.

    Plan and time zone must exist.
    """
    account = Account(
        id=new_account_id(),
        name=name,
        kind=kind,
        state=AccountState.ACTIVE,
        unit=unit,
        created_at=at,
        plan=plan,
        time_zone=time_zone,
    )
    store.insert(conn, account)
    return account, add_api_key(conn, account.id, at=at)


def add_api_key(conn: Connection, account_id: AccountId, *, at: datetime) -> ApiKey:
    """Give an account one more API key, which is returned here and never again."""
    key = new_api_key()
    store.insert_api_key(conn, account_id, key, at)
    return key


def authenticate(conn: Connection, text: str) -> Account | None:
    """Return the account whose live API key `text` is, or None.

    The account may be suspended; what it may still do is the caller's to judge.
    """
    key = parse_api_key(text)
    held = store.api_key_holder(conn, key.id) if key else None
    if key is None or held is None:
        return None
    account, secret_sha256 = held
    return account if hmac.compare_digest(secret_sha256, key.secret_sha256) else None


def suspend(
    conn: Connection,
    account_id: AccountId,
    *,
    reason: str,
    by: str,
    at: datetime,
    instead: bool = True,
) -> Account:
    """Suspend an account: none of its jobs starts after this commits.

    Suspending twice changes nothing. One that somebody else has suspended is suspended by `by`
    from here on, `instead` or not at all: so what ends the other's suspension does not end this.
    Raises `AccountUnknownError`.
    """
    account = _locked(conn, account_id)
    if account.state is AccountState.SUSPENDED:
        if instead and store.suspended_by(conn, account_id) != by:
            store.lift_suspension(conn, account_id, by=by, at=at)
            store.open_suspension(conn, account_id, reason=reason, by=by, at=at)
    elif account.state is AccountState.ACTIVE:
        store.set_state(conn, account_id, AccountState.SUSPENDED)
        store.open_suspension(conn, account_id, reason=reason, by=by, at=at)
    return _locked(conn, account_id)


def resume(conn: Connection, account_id: AccountId, *, by: str, at: datetime) -> Account:
    """Lift an account's suspension; what waited goes on. Raises `AccountUnknownError`."""
    account = _locked(conn, account_id)
    if account.state is AccountState.SUSPENDED:
        store.set_state(conn, account_id, AccountState.ACTIVE)
        store.lift_suspension(conn, account_id, by=by, at=at)
    return _locked(conn, account_id)


def _locked(conn: Connection, account_id: AccountId) -> Account:
    account = store.lock_to_change(conn, account_id)
    if account is None:
        raise AccountUnknownError(account_id)
    return account
