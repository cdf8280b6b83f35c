"""Who contends for a place with the workers: by what weight, and for how many places."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import quota_store, restrictions
from domain.admission.quotas import Limits
from domain.catalogue import plans
from domain.jobs.queue import InFlight
from domain.jobs.turns import UNLIMITED, Contender
from schemas.decisions import Quota
from schemas.operations import OperationName

SLOWED_SHARE: Final = 10
"""An account that is slowed down has one turn where it would have so many."""

SLOWED_IN_FLIGHT: Final = 1


def contending(
    conn: Connection,
    operation: OperationName,
    account_ids: Collection[str],
    flying: InFlight,
    at: datetime,
) -> dict[str, Contender]:
    """Return those of the accounts whose jobs of `operation` may start, each with its places.

    Left out are accounts that are not active, and those for which the operation is suspended.
    `flying` is what is with the workers now.
    """
    if not account_ids:
        return {}
    suspended = restrictions.suspended_operations(conn, at)
    running = {
        account.id: account.plan
        for account in accounts.some(conn, account_ids).values()
        if account.may_run and (account.id, operation) not in suspended
    }
    weights = plans.weights(conn)
    slowed = restrictions.slowed(conn, at)
    limits = quota_store.limits(conn, running, at)
    in_all: Counter[str] = Counter()
    for (_, account), jobs in flying.items():
        in_all[account] += jobs
    return {
        account: Contender(
            weights[plan_name] * (1 if account in slowed else SLOWED_SHARE),
            _places(
                operation,
                limits[account],
                own=flying.get((operation, account), 0),
                in_all=in_all[account],
                slowed=account in slowed,
            ),
        )
        for account, plan_name in running.items()
    }


def _places(
    operation: OperationName, limits: Limits, *, own: int, in_all: int, slowed: bool
) -> int:
    """Return how many more jobs an account may have in flight."""
    places = [UNLIMITED]
    if (limit := limits.get((operation, Quota.JOBS_IN_FLIGHT))) is not None:
        places.append(limit - own)
    if (limit := limits.get((None, Quota.JOBS_IN_FLIGHT))) is not None:
        places.append(limit - in_all)
    if slowed:
        places.append(SLOWED_IN_FLIGHT - in_all)
    return max(0, min(places))
