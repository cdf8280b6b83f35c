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
from domain.jobs.starts import Cap
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
    terms = terms_of(conn, operation, at)
    able = terms.able(accounts.active(conn, account_ids))
    limits = quota_store.limits(conn, able, at)
    weights = terms.weights(able)
    in_all: Counter[str] = Counter()
    for (_, account), jobs in flying.items():
        in_all[account] += jobs
    return {
        account: Contender(
            weights[account],
            min(
                (
                    cap.free
                    for cap in caps_of(
                        operation,
                        limits[account],
                        own=flying.get((operation, account), 0),
                        in_all=in_all[account],
                        slowed=account in terms.slowed,
                    )
                ),
                default=UNLIMITED,
            ),
        )
        for account in able
    }


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms accounts contend for an operation at one moment, whichever they are."""

    operation: OperationName
    of_plans: Mapping[str, int]
    slowed: Collection[str]
    suspended: Collection[str]

    def able(self, active: Mapping[str, str]) -> dict[str, str]:
        """Return those of the active accounts, with their plans, whose jobs may start."""
        return {name: plan for name, plan in active.items() if name not in self.suspended}

    def weights(self, able: Mapping[str, str]) -> dict[str, int]:
        """Return what accounts weigh, given their plans."""
        return {
            account: self.of_plans[plan] * (1 if account in self.slowed else SLOWED_SHARE)
            for account, plan in able.items()
        }


def terms_of(conn: Connection, operation: OperationName, at: datetime) -> Terms:
    """Return the terms on which accounts contend for `operation` at `at`."""
    return Terms(
        operation,
        of_plans=plans.weights(conn),
        slowed=restrictions.slowed(conn, at),
        suspended={
            account
            for account, of in restrictions.suspended_operations(conn, at)
            if of == operation
        },
    )


def caps_of(
    operation: OperationName, limits: Limits, *, own: int, in_all: int, slowed: bool
) -> list[Cap]:
    """Return what bounds an account's jobs in flight: `own` of the operation, `in_all`."""
    found = [
        Cap(limit, taken)
        for scope, taken in ((operation, own), (None, in_all))
        if (limit := limits.get((scope, Quota.JOBS_IN_FLIGHT))) is not None
    ]
    return [*found, Cap(SLOWED_IN_FLIGHT, in_all)] if slowed else found
