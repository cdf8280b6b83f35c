"""Quotas, without a database: what an account may use, what it has used, and whether more fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from domain.admission.windows import day_after, local_day, month_after, month_of
from schemas.decisions import LimitReached, Quota
from schemas.megapixels import started_megapixels
from schemas.operations import OperationName

Scope = OperationName | None
"""An operation, or None for all of them together."""

Limits = Mapping[tuple[Scope, Quota], int]
"""What an account may use at one moment. What is missing is not limited."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one job takes of its account's quotas, and of which local day."""

    operation: OperationName
    day: date
    megapixels: int


def share_of(operation: OperationName, pixels: int, at: datetime, time_zone: str) -> Share:
    """Return what a job takes whose event time is `at`: started megapixels count as whole ones."""
    return Share(operation, local_day(at, time_zone), started_megapixels(pixels))


@dataclass(frozen=True, slots=True)
class Used:
    """Jobs, and started megapixels of their inputs."""

    jobs: int = 0
    megapixels: int = 0

    def plus(self, other: "Used") -> "Used":
        """Return the sum."""
        return Used(self.jobs + other.jobs, self.megapixels + other.megapixels)


NOTHING: Final = Used()

_COUNTED: Final = (
    Quota.JOBS_PER_DAY,
    Quota.MEGAPIXELS_PER_DAY,
    Quota.JOBS_PER_MONTH,
    Quota.JOBS_WAITING,
)
"""The quotas that a job takes of, in the order in which they are asked."""


@dataclass(slots=True)
class Month:
    """What an account's jobs of one local calendar month came to, by day and operation."""

    days: dict[tuple[date, OperationName], Used] = field(default_factory=dict)

    def used(self, scope: Scope, day: date | None = None) -> Used:
        """Return what was used of a scope, on a day or in the whole month."""
        total = NOTHING
        for (on, operation), used in self.days.items():
            if (day is None or on == day) and scope in (None, operation):
                total = total.plus(used)
        return total

    def add(self, share: Share, times: int = 1) -> None:
        """Count a share, or with -1 give it back. Raises `ValueError` below 0."""
        key = (share.day, share.operation)
        used = self.days.get(key, NOTHING)
        left = Used(used.jobs + times, used.megapixels + times * share.megapixels)
        if left.jobs < 0 or left.megapixels < 0:
            raise ValueError(f"{key} would come to {left}: a share was given back twice")
        self.days[key] = left


@dataclass(slots=True)
class Budget:
    """An account's limits and what it has used, while a batch is decided. Not shared."""

    limits: Limits
    time_zone: str
    months: dict[date, Month]
    waiting: dict[OperationName, int] = field(default_factory=dict)
    """Jobs that wait in line or in review, by operation."""

    _sums: dict[tuple[Scope, date, bool], Used] = field(default_factory=dict, init=False)
    """What was used of a scope on a day or (True) in the month that begins on it, once asked."""

    def take(self, share: Share) -> LimitReached | None:
        """Count a job if it fits in every limit; else count nothing and say which it does not."""
        reached = self._reached(share)
        if reached is None:
            self._count(share, 1)
        return reached

    def give_back(self, share: Share) -> None:
        """Take back what `take` counted. Raises `ValueError` when it was given back before."""
        self._count(share, -1)

    def _count(self, share: Share, times: int) -> None:
        self._month(share.day).add(share, times)
        counted = Used(times, times * share.megapixels)
        for scope in (share.operation, None):
            for key in ((scope, share.day, False), (scope, month_of(share.day), True)):
                if key in self._sums:
                    self._sums[key] = self._sums[key].plus(counted)
        self.waiting[share.operation] = self.waiting.get(share.operation, 0) + times

    def _month(self, day: date) -> Month:
        return self.months.setdefault(month_of(day), Month())

    def _reached(self, share: Share) -> LimitReached | None:
        for scope in (share.operation, None):
            for quota in _COUNTED:
                limit = self.limits.get((scope, quota))
                if limit is None:
                    continue
                used = self._used(scope, quota, share.day)
                asked = share.megapixels if quota is Quota.MEGAPIXELS_PER_DAY else 1
                if used + asked > limit:
                    return LimitReached(
                        quota=quota,
                        operation=scope,
                        limit=limit,
                        used=used,
                        asked=asked,
                        resets_at=self._resets_at(quota, share.day),
                    )
        return None

    def _used(self, scope: Scope, quota: Quota, day: date) -> int:
        match quota:
            case Quota.JOBS_PER_DAY:
                return self._sum(scope, day, in_month=False).jobs
            case Quota.MEGAPIXELS_PER_DAY:
                return self._sum(scope, day, in_month=False).megapixels
            case Quota.JOBS_PER_MONTH:
                return self._sum(scope, month_of(day), in_month=True).jobs
            case _:
                return sum(n for op, n in self.waiting.items() if scope in (None, op))

    def _sum(self, scope: Scope, day: date, *, in_month: bool) -> Used:
        key = (scope, day, in_month)
        if key not in self._sums:
            self._sums[key] = self._month(day).used(scope, None if in_month else day)
        return self._sums[key]

    def _resets_at(self, quota: Quota, day: date) -> datetime | None:
        match quota:
            case Quota.JOBS_PER_DAY | Quota.MEGAPIXELS_PER_DAY:
                return day_after(day, self.time_zone)
            case Quota.JOBS_PER_MONTH:
                return month_after(day, self.time_zone)
            case _:
                return None


def image_limit(
    limits: Limits, operation: OperationName, *, pixels: int | None, size: int
) -> LimitReached | None:
    """Tell which limit on the size of one picture it does not fit in: its bytes, its pixels."""
    for scope in (operation, None):
        for quota, asked in ((Quota.IMAGE_BYTES, size), (Quota.IMAGE_PIXELS, pixels)):
            limit = limits.get((scope, quota))
            if limit is not None and asked is not None and asked > limit:
                return LimitReached(quota=quota, operation=scope, limit=limit, used=0, asked=asked)
    return None


def limit_in(limits: Limits, quota: Quota, operation: Scope = None) -> int | None:
    """Return the stricter of an operation's own limit and that of all together."""
    found = [
        limit for scope in {operation, None} if (limit := limits.get((scope, quota))) is not None
    ]
    return min(found, default=None)
