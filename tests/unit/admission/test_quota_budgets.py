from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admission.quotas import (
    Budget,
    Limits,
    Scope,
    Share,
    image_limit,
    limit_in,
    share_of,
)
from domain.admission.windows import month_of
from schemas.decisions import LimitReached, Quota
from schemas.operations import OperationName

ZONE = "Asia/Shanghai"
UPSCALE, INPAINT = OperationName.UPSCALE, OperationName.INPAINT

COUNTED = (
    Quota.JOBS_PER_DAY,
    Quota.JOBS_PER_MONTH,
    Quota.MEGAPIXELS_PER_DAY,
    Quota.JOBS_WAITING,
)
# Two days at the end of a month and one of the next: windows meet here.
DAYS = (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1))

scopes = st.sampled_from((UPSCALE, INPAINT, None))
shares = st.builds(
    Share,
    operation=st.sampled_from((UPSCALE, INPAINT)),
    day=st.sampled_from(DAYS),
    megapixels=st.integers(1, 5),
)
limits = st.dictionaries(st.tuples(scopes, st.sampled_from(COUNTED)), st.integers(0, 8), max_size=6)
# A number gives back what the job admitted that many before the last took.
steps = st.lists(st.one_of(shares, st.integers(0, 20)), max_size=40)


@dataclass
class Reference:
    """Knows no counters: a list of who was admitted, counted anew for every question."""

    limits: Limits
    admitted: list[Share] = field(default_factory=list)

    def use(self, quota: Quota, scope: Scope, day: date) -> int:
        of_scope = [each for each in self.admitted if scope in (None, each.operation)]
        match quota:
            case Quota.JOBS_PER_DAY:
                return sum(1 for each in of_scope if each.day == day)
            case Quota.JOBS_PER_MONTH:
                return sum(1 for each in of_scope if (each.day.month == day.month))
            case Quota.MEGAPIXELS_PER_DAY:
                return sum(each.megapixels for each in of_scope if each.day == day)
            case _:
                return len(of_scope)

    def full(self, share: Share) -> dict[tuple[Scope, Quota], int]:
        """Return what was used of each limit that a share does not fit in."""
        found = {}
        for (scope, quota), limit in self.limits.items():
            if scope not in (None, share.operation):
                continue
            used = self.use(quota, scope, share.day)
            asked = share.megapixels if quota is Quota.MEGAPIXELS_PER_DAY else 1
            if used + asked > limit:
                found[scope, quota] = used
        return found


@given(limits, steps)
def test_a_budget_admits_what_counting_every_job_anew_admits(
    allowed: Limits, walk: list[Share | int]
) -> None:
    budget, reference = Budget(allowed, ZONE, {}), Reference(allowed)
    for step in walk:
        if isinstance(step, int):
            if reference.admitted:
                given_back = reference.admitted.pop(-1 - step % len(reference.admitted))
                budget.give_back(given_back)
            continue
        full = reference.full(step)
        reached = budget.take(step)
        if not full:
            assert reached is None
            reference.admitted.append(step)
        else:
            assert reached is not None
            assert full[reached.operation, reached.quota] == reached.used
            assert reached.limit == allowed[reached.operation, reached.quota]
    for (scope, quota), limit in allowed.items():
        assert all(reference.use(quota, scope, day) <= limit for day in DAYS)
    assert counted(budget) == counted_anew(reference)


def counted(budget: Budget) -> dict[tuple[date, OperationName], tuple[int, int]]:
    return {
        key: (used.jobs, used.megapixels)
        for first, month in budget.months.items()
        for key, used in month.days.items()
        if used.jobs and month_of(key[0]) == first
    }


def counted_anew(reference: Reference) -> dict[tuple[date, OperationName], tuple[int, int]]:
    found: dict[tuple[date, OperationName], tuple[int, int]] = {}
    for share in reference.admitted:
        jobs, megapixels = found.get((share.day, share.operation), (0, 0))
        found[share.day, share.operation] = jobs + 1, megapixels + share.megapixels
    return found


@given(st.integers(0, 30), st.integers(0, 60), scopes)
def test_exactly_as_many_are_admitted_as_the_limit_says(
    limit: int, asked: int, scope: Scope
) -> None:
    budget = Budget({(scope, Quota.JOBS_PER_DAY): limit}, ZONE, {})
    share = Share(scope or UPSCALE, DAYS[0], 1)

    admitted = sum(budget.take(share) is None for _ in range(asked))

    assert admitted == min(limit, asked)


@given(shares, limits)
def test_a_share_is_given_back_once(share: Share, allowed: Limits) -> None:
    budget = Budget(allowed, ZONE, {})
    if budget.take(share) is None:
        budget.give_back(share)

        with pytest.raises(ValueError, match="given back twice"):
            budget.give_back(share)


@given(limits, shares)
def test_who_is_told_to_come_back_comes_back_to_a_new_window(allowed: Limits, share: Share) -> None:
    budget = Budget(allowed, ZONE, {})
    while (reached := budget.take(share)) is None and budget.waiting[share.operation] < 10:
        pass
    if reached is None or reached.resets_at is None:
        return

    then = share_of(share.operation, 1, reached.resets_at, ZONE)
    just_before = share_of(share.operation, 1, reached.resets_at - timedelta(microseconds=1), ZONE)

    monthly = reached.quota is Quota.JOBS_PER_MONTH
    assert then.day > just_before.day >= share.day
    assert (then.day.month != share.day.month) if monthly else (just_before.day == share.day)


def test_an_operation_at_its_limit_leaves_the_others_theirs() -> None:
    allowed = {(UPSCALE, Quota.JOBS_PER_DAY): 1, (None, Quota.JOBS_PER_DAY): 3}
    budget = Budget(allowed, ZONE, {})
    upscale, inpaint = Share(UPSCALE, DAYS[0], 1), Share(INPAINT, DAYS[0], 1)

    told = [budget.take(share) for share in (upscale, upscale, inpaint, inpaint, inpaint)]

    assert [each and each.operation for each in told] == [None, UPSCALE, None, None, None]
    assert told[4] is not None
    assert (told[4].limit, told[4].used) == (3, 3)


def test_a_job_at_the_end_of_a_month_leaves_the_next_month_its_own() -> None:
    budget = Budget({(None, Quota.JOBS_PER_MONTH): 1}, ZONE, {})

    assert budget.take(Share(UPSCALE, date(2026, 2, 28), 1)) is None
    assert budget.take(Share(UPSCALE, date(2026, 3, 1), 1)) is None
    assert budget.take(Share(UPSCALE, date(2026, 2, 1), 1)) is not None


@pytest.mark.parametrize(
    ("pixels", "megapixels"), [(0, 1), (1, 1), (1_000_000, 1), (1_000_001, 2), (16_000_000, 16)]
)
def test_started_megapixels_count_as_whole_ones(pixels: int, megapixels: int) -> None:
    at = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)

    assert share_of(UPSCALE, pixels, at, ZONE) == Share(UPSCALE, date(2026, 3, 1), megapixels)
    assert share_of(UPSCALE, pixels, at + timedelta(minutes=1), ZONE).day == date(2026, 3, 2)


def test_a_picture_may_be_as_large_as_its_limit_and_no_larger() -> None:
    allowed = {(UPSCALE, Quota.IMAGE_PIXELS): 100, (None, Quota.IMAGE_BYTES): 10}

    assert image_limit(allowed, UPSCALE, pixels=100, size=10) is None
    assert image_limit(allowed, INPAINT, pixels=101, size=10) is None
    assert image_limit(allowed, UPSCALE, pixels=None, size=10) is None
    too_wide = image_limit(allowed, UPSCALE, pixels=101, size=10)
    too_heavy = image_limit(allowed, INPAINT, pixels=1, size=11)
    assert too_wide is not None
    assert (too_wide.quota, too_wide.operation, too_wide.asked) == (
        Quota.IMAGE_PIXELS,
        UPSCALE,
        101,
    )
    assert too_heavy is not None
    assert (too_heavy.quota, too_heavy.operation, too_heavy.limit) == (
        Quota.IMAGE_BYTES,
        None,
        10,
    )


@given(limits, st.sampled_from(COUNTED), scopes)
def test_of_two_limits_the_stricter_counts(allowed: Limits, quota: Quota, scope: Scope) -> None:
    both = [allowed[key] for key in ((scope, quota), (None, quota)) if key in allowed]

    assert limit_in(allowed, quota, scope) == (min(both) if both else None)


def test_a_limit_says_what_it_is_how_far_it_is_used_and_when_it_begins_anew() -> None:
    reached = LimitReached(
        quota=Quota.JOBS_PER_DAY,
        operation=UPSCALE,
        limit=1000,
        used=998,
        asked=3,
        resets_at=datetime.fromisoformat("2026-03-02T00:00:00+08:00"),
    )

    assert reached.text() == (
        "jobs_per_day of upscale: 998 of 1000 used, 3 more asked for;"
        " it begins anew at 2026-03-01T16:00:00+00:00"
    )
    assert LimitReached.model_validate_json(reached.model_dump_json()) == reached


def test_a_limit_of_all_operations_that_no_calendar_frees_says_neither() -> None:
    reached = LimitReached(quota=Quota.JOBS_WAITING, limit=5, used=5, asked=1)

    assert reached.text() == "jobs_waiting: 5 of 5 used, 1 more asked for"
