"""How a client comes to have an account: with a key for the API and a ledger."""

from dataclasses import dataclass

from psycopg import Connection

from domain.accounts import service as accounts
from domain.accounts.model import DEFAULT_PLAN, DEFAULT_TIME_ZONE, Account, AccountKind, ApiKey
from domain.admission.windows import zone
from domain.billing import service as billing
from domain.catalogue import plans
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new account and its first API key, which is shown once."""

    account: Account
    api_key: ApiKey


def enrol(
    conn: Connection,
    *,
    name: str,
    kind: AccountKind,
    unit: str,
    clock: Clock,
    plan: str = DEFAULT_PLAN,
    time_zone: str = DEFAULT_TIME_ZONE,
) -> Enrolled:
    """Add an account that can pay in `unit`, with a balance of 0.

    Raises `PlanUnknownError`, `TimeZoneUnknownError`.
    """
    zone(time_zone)
    plans.require(conn, plan)
    account, key = accounts.create(
        conn,
        name=name,
        kind=kind,
        unit=unit,
        at=clock.now(),
        plan=plan,
        time_zone=time_zone,
    )
    billing.open_accounts(conn, account.id, account.unit)
    return Enrolled(account, key)
