"""Quotas, without a database: what an account may use, what it has used, and whether more fits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from domain.admission.windows import day_after, local_day, month_after, month_of
from schemas.decisions import LimitReached, Quota
from schemas.operations import OperationName

PIXELS_PER_MEGAPIXEL: Final = 1_000_000

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
    return Share(operation, local_day(at, time_zone), megapixels(pixels))


def megapixels(pixels: int) -> int:
    """Return started megapixels, at least one."""
    return max(1, -(-pixels // PIXELS_PER_MEGAPIXEL))


@dataclass(frozen=True, slots=True)
class Used:
    """Jobs, and started megapixels of their inputs."""

    jobs: int = 0
    megapixels: int = 0

    def plus(self, other: "Used") -> "Used":
        """Return the sum."""
        return Used(self.jobs + other.jobs, self.megapixels + other.megapixels)


NOTHING: Final = Used()


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

    def take(self, share: Share) -> LimitReached | None:
        """Count a job if it fits in every limit; else count nothing and say which it does not."""
        reached = self._reached(share)
        if reached is None:
            self._month(share.day).add(share)
            self.waiting[share.operation] = self.waiting.get(share.operation, 0) + 1
        return reached

    def give_back(self, share: Share) -> None:
        """Take back what `take` counted."""
        self._month(share.day).add(share, -1)
        self.waiting[share.operation] -= 1

    def _month(self, day: date) -> Month:
        return self.months.setdefault(month_of(day), Month())

    def _reached(self, share: Share) -> LimitReached | None:
        month = self._month(share.day)
        for scope in (share.operation, None):
            for quota, used, asked, resets_at in self._measures(scope, share, month):
                limit = self.limits.get((scope, quota))
                if limit is not None and used + asked > limit:
                    return LimitReached(
                        quota=quota,
                        operation=scope,
                        limit=limit,
                        used=used,
                        asked=asked,
                        resets_at=resets_at,
                    )
        return None

    def _measures(
        self, scope: Scope, share: Share, month: Month
    ) -> Iterable[tuple[Quota, int, int, datetime | None]]:
        today, in_all = month.used(scope, share.day), month.used(scope)
        tomorrow = day_after(share.day, self.time_zone)
        yield Quota.JOBS_PER_DAY, today.jobs, 1, tomorrow
        yield Quota.MEGAPIXELS_PER_DAY, today.megapixels, share.megapixels, tomorrow
        next_month = month_after(share.day, self.time_zone)
        yield Quota.JOBS_PER_MONTH, in_all.jobs, 1, next_month
        waiting = sum(n for op, n in self.waiting.items() if scope in (None, op))
        yield Quota.JOBS_WAITING, waiting, 1, None


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
