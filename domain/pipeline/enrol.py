"""How a client comes to have an account: with a key for the API and a ledger."""

from dataclasses import dataclass

from psycopg import Connection

from domain.accounts import service as accounts
from domain.accounts.model import Account, AccountKind, ApiKey
from domain.billing import service as billing
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new account and its first API key, which is shown once."""

    account: Account
    api_key: ApiKey


def enrol(conn: Connection, *, name: str, kind: AccountKind, unit: str, clock: Clock) -> Enrolled:
    """Add an account that can pay in `unit`, with a balance of 0."""
    account, key = accounts.create(conn, name=name, kind=kind, unit=unit, at=clock.now())
    billing.open_accounts(conn, account.id, account.unit)
    return Enrolled(account, key)
