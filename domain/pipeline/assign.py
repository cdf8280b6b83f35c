"""Which plan an account is on, and where its days begin."""

from psycopg import Connection

from domain.accounts import store as accounts
from domain.accounts.model import Account, AccountUnknownError
from domain.admission.windows import zone
from domain.catalogue import plans
from schemas.ids import AccountId


def assign(
    conn: Connection,
    account_id: AccountId,
    *,
    plan: str | None = None,
    time_zone: str | None = None,
) -> Account:
    """Change an account's plan, its time zone, or both, from the next decision on.

    What was counted stays on the local day on which it was counted. Raises
    `AccountUnknownError`, `PlanUnknownError`, `TimeZoneUnknownError`.
    """
    found = accounts.lock_to_change(conn, account_id)
    if found is None:
        raise AccountUnknownError(account_id)
    if plan is not None:
        plans.require(conn, plan)
    if time_zone is not None:
        zone(time_zone)
    accounts.set_terms(
        conn,
        account_id,
        plan=found.plan if plan is None else plan,
        time_zone=found.time_zone if time_zone is None else time_zone,
    )
    changed = accounts.get(conn, account_id)
    if changed is None:
        raise AccountUnknownError(account_id)
    return changed
