"""Who contends for a place with the workers: by what weight, and for how many places."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
    standing = _standing(conn, operation, account_ids, at)
    limits = quota_store.limits(conn, standing.plans, at)
    in_all: Counter[str] = Counter()
    for (_, account), jobs in flying.items():
        in_all[account] += jobs
    return {
        account: Contender(
            standing.weight(account),
            _places(
                operation,
                limits[account],
                own=flying.get((operation, account), 0),
                in_all=in_all[account],
                slowed=account in standing.slowed,
            ),
        )
        for account in standing.plans
    }


def weights(
    conn: Connection, operation: OperationName, account_ids: Collection[str], at: datetime
) -> dict[str, int]:
    """Return the weights of those of the accounts whose jobs of `operation` may start."""
    standing = _standing(conn, operation, account_ids, at)
    return {account: standing.weight(account) for account in standing.plans}


@dataclass(frozen=True, slots=True)
class _Standing:
    """The plans of accounts that may run, what plans weigh, and who is slowed down."""

    plans: Mapping[str, str]
    weights: Mapping[str, int]
    slowed: Collection[str]

    def weight(self, account: str) -> int:
        return self.weights[self.plans[account]] * (1 if account in self.slowed else SLOWED_SHARE)


def _standing(
    conn: Connection, operation: OperationName, account_ids: Collection[str], at: datetime
) -> _Standing:
    if not account_ids:
        return _Standing({}, {}, ())
    suspended = {
        name for name, of in restrictions.suspended_operations(conn, at) if of == operation
    }
    active = accounts.active(conn, account_ids)
    return _Standing(
        {account: plan for account, plan in active.items() if account not in suspended},
        plans.weights(conn),
        restrictions.slowed(conn, at),
    )


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
