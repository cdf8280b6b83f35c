from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from domain.admission import overrides, plan_limits, quota_store
from domain.admission.limits import LARGEST, Limit, LimitInvalidError
from domain.admission.overrides import (
    Override,
    OverrideConflictError,
    OverrideInvalidError,
    OverrideUnknownError,
)
from domain.catalogue import plans
from domain.pipeline.decide import Admitted, Rejected
from schemas.decisions import Quota
from schemas.ids import AccountId
from schemas.operations import OperationName
from tests.integration.pipeline.pipeline_world import World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DAILY = Limit(Quota.JOBS_PER_DAY, None, 7)


def add(
    world: World,
    account_id: AccountId,
    limit: Limit = DAILY,
    start: datetime = NOW,
    end: datetime | None = None,
    *,
    reason: str = "a campaign",
    by: str = "ops",
) -> Override:
    made = overrides.add(
        world.conn,
        account_id,
        limit,
        starts_at=start,
        ends_at=end,
        reason=reason,
        by=by,
        at=NOW,
    )
    world.conn.commit()
    return made


def allowed(world: World, account_id: AccountId, at: datetime) -> int | None:
    limits = quota_store.limits(world.conn, {account_id: "free"}, at)[account_id]
    world.conn.commit()
    return limits.get((None, Quota.JOBS_PER_DAY))


def test_an_override_stands_for_the_plans_limit_from_its_start_until_before_its_end(
    world: World,
) -> None:
    account = world.account()

    add(world, account, start=NOW + DAY, end=NOW + 2 * DAY)
    add(world, account, Limit(Quota.JOBS_PER_DAY, None, None), start=NOW + 2 * DAY)

    tick = timedelta(microseconds=1)
    moments = (NOW, NOW + DAY - tick, NOW + DAY, NOW + 2 * DAY - tick, NOW + 2 * DAY)
    assert [allowed(world, account, at) for at in moments] == [50, 50, 7, 7, None]


def test_contradictory_overrides_are_refused_by_the_name_of_the_other_one(world: World) -> None:
    account = world.account()
    first = add(world, account, start=NOW, end=NOW + 2 * DAY)

    for start, end in (
        (NOW, NOW + 2 * DAY),
        (NOW + DAY, None),
        (NOW - DAY, NOW + timedelta(seconds=1)),
    ):
        with pytest.raises(
            OverrideConflictError, match=rf"override of jobs_per_day {first.id} "
        ) as e:
            add(world, account, Limit(Quota.JOBS_PER_DAY, None, 9), start, end)
        assert e.value.other == first
    assert overrides.of_account(world.conn, account) == [first]


def test_the_transaction_of_a_refused_override_can_go_on(world: World) -> None:
    account = world.account()
    add(world, account)

    with pytest.raises(OverrideConflictError):
        add(world, account)

    add(world, account, Limit(Quota.JOBS_PER_MONTH, None, 9))
    assert len(overrides.of_account(world.conn, account)) == 2


def test_what_does_not_meet_does_not_contradict(world: World) -> None:
    account, other = world.account(), world.account()

    add(world, account, start=NOW, end=NOW + DAY)
    add(world, account, start=NOW + DAY, end=NOW + 2 * DAY)
    add(world, account, Limit(Quota.JOBS_PER_DAY, OperationName.UPSCALE, 3))
    add(world, account, Limit(Quota.JOBS_PER_MONTH, None, 3))
    add(world, other)

    assert len(overrides.of_account(world.conn, account)) == 4


def test_two_who_write_contradictions_at_once_do_not_both_succeed(world: World) -> None:
    account = world.account()
    with world.connect() as second:
        overrides.add(
            world.conn,
            account,
            DAILY,
            starts_at=NOW,
            ends_at=None,
            reason="first",
            by="ops",
            at=NOW,
        )
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            overrides.add(
                second,
                account,
                DAILY,
                starts_at=NOW,
                ends_at=None,
                reason="second",
                by="ops",
                at=NOW,
            )
    world.conn.commit()
    assert [each.reason for each in overrides.of_account(world.conn, account)] == ["first"]


def test_an_override_that_is_ended_frees_its_time_for_another(world: World) -> None:
    account = world.account()
    first = add(world, account)

    ended = overrides.end(world.conn, first.id, by="ops", at=NOW + DAY)
    again = overrides.end(world.conn, first.id, by="somebody else", at=NOW + 2 * DAY)

    assert (ended.ends_at, ended.ended_by) == (NOW + DAY, "ops")
    assert again == ended
    assert allowed(world, account, NOW + DAY) == 50
    add(world, account, Limit(Quota.JOBS_PER_DAY, None, 9), start=NOW + DAY)
    assert allowed(world, account, NOW + DAY) == 9


def test_an_override_that_is_ended_before_it_began_was_never_in_force(world: World) -> None:
    account = world.account()
    coming = add(world, account, start=NOW + 2 * DAY, end=NOW + 3 * DAY)

    ended = overrides.end(world.conn, coming.id, by="ops", at=NOW + DAY)

    assert ended.ends_at == ended.starts_at
    assert allowed(world, account, NOW + 2 * DAY) == 50
    add(world, account, start=NOW + DAY)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (NOW + DAY, NOW, "not behind its start"),
        (NOW + DAY, NOW + DAY, "not behind its start"),
        (NOW - 2 * DAY, NOW - DAY, "over already"),
    ],
)
def test_times_that_cannot_be_are_refused(
    world: World, start: datetime, end: datetime, words: str
) -> None:
    account = world.account()

    with pytest.raises(OverrideInvalidError, match=words):
        add(world, account, start=start, end=end)
    assert overrides.of_account(world.conn, account) == []


@pytest.mark.parametrize("words", ["", "  ", "a\nb", "a\0b", "x" * 501])
def test_a_reason_and_who_gave_it_are_words(world: World, words: str) -> None:
    account = world.account()

    with pytest.raises(OverrideInvalidError, match="reason has 1 to 500"):
        add(world, account, reason=words)
    with pytest.raises(OverrideInvalidError, match="by has 1 to 500"):
        add(world, account, by=words)


def test_an_override_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(OverrideUnknownError, match="no override 4711"):
        overrides.end(world.conn, 4711, by="ops", at=NOW)


def test_the_largest_limit_is_kept_and_the_database_refuses_what_the_code_would(
    world: World,
) -> None:
    account = world.account()
    add(world, account, Limit(Quota.JOBS_PER_DAY, None, LARGEST))
    assert allowed(world, account, NOW) == LARGEST

    for value in (LARGEST + 1, -1):
        with pytest.raises(LimitInvalidError):
            Limit(Quota.JOBS_PER_MONTH, None, value)
        with pytest.raises(psycopg.errors.CheckViolation), world.conn.transaction():
            world.conn.execute(
                "INSERT INTO quota_overrides (account_id, quota, value, starts_at, reason, by, at)"
                " VALUES (%s, 'jobs_per_month', %s, now(), 'x', 'x', now())",
                (account, value),
            )


def test_a_plan_that_is_added_as_data_limits_as_it_says(world: World) -> None:
    plans.put(world.conn, "tiny", weight=2)
    plan_limits.put(
        world.conn,
        "tiny",
        [Limit.parse("identity:jobs_per_day=2"), Limit.parse("jobs_per_month=9")],
    )
    plan_limits.put(
        world.conn,
        "tiny",
        [Limit.parse("identity:jobs_per_day=1"), Limit.parse("jobs_per_month=unlimited")],
    )
    account = world.account()
    world.conn.execute("UPDATE accounts SET plan = 'tiny' WHERE id = %s", (account,))
    world.conn.commit()

    first, second = world.candidate(account), world.candidate(account)
    decisions = world.decide(first, second)

    assert plan_limits.every(world.conn)["tiny"] == [
        Limit(Quota.JOBS_PER_DAY, OperationName.IDENTITY, 1)
    ]
    assert isinstance(decisions[first.job_id], Admitted)
    refused = decisions[second.job_id]
    assert isinstance(refused, Rejected)
    assert refused.limit is not None
    assert (refused.limit.quota, refused.limit.operation) == (
        Quota.JOBS_PER_DAY,
        OperationName.IDENTITY,
    )
