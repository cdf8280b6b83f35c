"""How an account stands to its limits, for operators and the account's holder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.accounts.model import Account
from domain.admission import overrides, plan_limits, quota_store
from domain.admission.limits import Limit
from domain.admission.overrides import Override
from domain.admission.quotas import Month, Scope
from domain.admission.windows import day_after, local_day, month_after, month_of
from domain.jobs import lines
from schemas.decisions import Quota
from schemas.operations import OperationName

_UNBOUNDED: Final = 2**62


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit that holds now: what it comes from, what of it is used, and when it begins anew.

    `override` is what stands for the plan's limit; None when the plan's own counts. `used` is
    None where nothing is counted: the size of one picture, requests a second.
    """

    limit: Limit
    override: Override | None
    used: int | None
    resets_at: datetime | None

    @property
    def left(self) -> int | None:
        """Return how much is left; None where nothing is counted or limited."""
        if self.used is None or self.limit.value is None:
            return None
        return max(0, self.limit.value - self.used)


def standing(conn: Connection, account: Account, at: datetime) -> list[Standing]:
    """Return every limit of an account at `at`, those of all operations first.

    Days and months are those that `at` is of in the account's time zone. Nothing is locked.
    """
    limits: dict[tuple[Scope, Quota], tuple[Limit, Override | None]] = {
        (limit.operation, limit.quota): (limit, None)
        for limit in plan_limits.every(conn).get(account.plan, [])
    } | {
        (each.limit.operation, each.limit.quota): (each.limit, each)
        for each in overrides.of_account(conn, account.id)
        if each.in_force(at)
    }
    counted = _Counted(conn, account, at)
    ordered = sorted(limits, key=lambda key: (key[0] or "", list(Quota).index(key[1])))
    return [Standing(*limits[key], *counted.of(*key)) for key in ordered]


class _Counted:
    """What an account has used of each quota."""

    def __init__(self, conn: Connection, account: Account, at: datetime) -> None:
        self._day = local_day(at, account.time_zone)
        self._day_ends = day_after(self._day, account.time_zone)
        self._month_ends = month_after(self._day, account.time_zone)
        months = quota_store.months_of(conn, account.id)
        self._month = months.get(month_of(self._day), Month())
        self._waiting = lines.waiting(conn, {account.id: _UNBOUNDED}).get(account.id, {})
        self._in_flight = lines.with_workers(conn, account.id)

    def of(self, scope: Scope, quota: Quota) -> tuple[int | None, datetime | None]:
        """Return what is used of a quota, and when its window ends."""
        match quota:
            case Quota.JOBS_PER_DAY:
                return self._month.used(scope, self._day).jobs, self._day_ends
            case Quota.MEGAPIXELS_PER_DAY:
                return self._month.used(scope, self._day).megapixels, self._day_ends
            case Quota.JOBS_PER_MONTH:
                return self._month.used(scope).jobs, self._month_ends
            case Quota.JOBS_WAITING:
                return _sum(self._waiting, scope), None
            case Quota.JOBS_IN_FLIGHT:
                return _sum(self._in_flight, scope), None
            case _:
                return None, None


def _sum(jobs: Mapping[OperationName, int], scope: Scope) -> int:
    return sum(jobs.values()) if scope is None else jobs.get(scope, 0)
