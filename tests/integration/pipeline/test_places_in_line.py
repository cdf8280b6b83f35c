"""Where a waiting job stands, and when it may start."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from math import ceil

from domain.admission.restrictions import Step
from domain.jobs import pace
from domain.jobs.pace import Pace
from domain.jobs.place import Place
from domain.pipeline.place import place_of
from schemas.ids import AccountId, JobId
from schemas.operations import OperationName
from tests.integration.pipeline.pipeline_world import IDENTITY, World


def placed(world: World, job_id: JobId) -> Place:
    found = place_of(world.conn, world.job(job_id), clock=world.clock)
    world.conn.commit()
    assert found is not None
    return found


def position(world: World, job_id: JobId) -> int:
    return placed(world, job_id).position


def on_plan(world: World, account: AccountId, plan: str) -> None:
    world.conn.execute("UPDATE accounts SET plan = %s WHERE id = %s", (plan, account))
    world.conn.commit()


def test_its_own_account_s_older_jobs_and_as_many_of_each_other_one_are_ahead(
    world: World,
) -> None:
    a, b, c = (world.account() for _ in range(3))
    own, short = world.admit(a, 4), world.admit(b, 2)
    world.admit(c, 9)

    assert position(world, own[0]) == 3
    assert position(world, own[3]) == 1 + 3 + 2 + 4
    assert position(world, short[0]) == 3


def test_the_place_of_a_single_line_is_its_order_of_dispatch(world: World) -> None:
    jobs = world.admit(world.account(), 5)
    assert [position(world, job) for job in jobs] == [1, 2, 3, 4, 5]


def test_a_higher_priority_stands_before_lower_ones_of_its_account(world: World) -> None:
    jobs = world.admit(world.account(), 4)
    world.conn.execute("UPDATE jobs SET priority = 7 WHERE id = %s", (jobs[3],))
    world.conn.execute("UPDATE jobs SET priority = -7 WHERE id = %s", (jobs[0],))
    world.conn.commit()
    assert [position(world, job) for job in jobs] == [4, 2, 3, 1]


def test_an_account_of_more_weight_has_more_jobs_ahead(world: World) -> None:
    light, heavy = world.account(), world.account()
    on_plan(world, light, "free")
    own, others = world.admit(light, 2), world.admit(heavy, 20)

    assert [position(world, job) for job in own] == [5, 10]
    assert position(world, others[3]) == 5


def test_only_its_own_operation_and_accounts_that_may_run_are_ahead(world: World) -> None:
    a, barred, suspended = (world.account() for _ in range(3))
    (job,) = world.admit(a)
    world.admit(a, 3, preset="upscale-fast-x4")
    world.admit(barred, 3)
    world.admit(suspended, 3)
    world.suspend(barred)
    world.restrain(suspended, Step.SUSPEND_OPERATION, operation=IDENTITY)

    assert position(world, job) == 1


def test_the_start_is_estimated_from_how_fast_the_line_moves(world: World) -> None:
    jobs = world.admit(world.account(), 6)
    assert placed(world, jobs[5]).estimated_start is None
    now = world.clock.now()
    pace.add(world.conn, IDENTITY, Pace(10, 20.0), now - timedelta(minutes=1))
    pace.add(world.conn, IDENTITY, Pace(10, 20.0), now)
    pace.add(world.conn, OperationName.UPSCALE, Pace(10, 1.0), now)

    assert placed(world, jobs[5]).estimated_start == now + timedelta(seconds=12)


def test_an_account_that_may_have_few_in_flight_starts_its_jobs_no_faster_than_those_end(
    world: World,
) -> None:
    few, many = world.account(), world.account()
    world.limit_in_flight(few, 2)
    world.admit(many, 8)
    jobs = world.admit(few, 10)
    # Two of the one are with the workers, eight of the other: ten in all.
    world.dispatch(cap=10)
    pace.add(world.conn, IDENTITY, Pace(20, 10.0), world.clock.now())

    # A job stays 10 / 2 = 5 s; two of this account's start in that time.
    waits = [placed(world, job).estimated_start for job in jobs[2:]]
    assert [wait and (wait - world.clock.now()).total_seconds() for wait in waits] == [
        2.0, 5.0, 8.0, 10.0, 12.0, 15.0, 18.0, 20.0,
    ]  # fmt: skip


def test_a_limit_for_the_operation_and_one_for_slowness_delay_a_start_as_that_of_all_does(
    world: World,
) -> None:
    other = world.account()
    world.admit(other, 4)
    world.dispatch(cap=4)
    pace.add(world.conn, IDENTITY, Pace(10, 10.0), world.clock.now())

    def wait(account: AccountId) -> float:
        start = placed(world, world.admit(account, 9)[8]).estimated_start
        assert start is not None
        return (start - world.clock.now()).total_seconds()

    limited, slow, free = (world.account() for _ in range(3))
    assert wait(free) == 9
    world.limit_in_flight(limited, 2, operation=IDENTITY)
    # A job stays 4 s. Two start at once, and the last one with the seven before it.
    assert wait(limited) == 18
    world.restrain(slow, Step.SLOW_DOWN)
    assert wait(slow) == (9 - 1) * 4


def test_nothing_is_estimated_for_an_account_that_may_have_none_in_flight(world: World) -> None:
    account = world.account()
    (job,) = world.admit(account)
    pace.add(world.conn, IDENTITY, Pace(10, 20.0), world.clock.now())
    world.limit_in_flight(account, 0)

    assert placed(world, job) == Place(1, at_least=False, estimated_start=None)


def test_nothing_is_estimated_when_nothing_has_moved_lately_or_the_job_may_not_start(
    world: World,
) -> None:
    account = world.account()
    (job,) = world.admit(account)
    pace.add(world.conn, IDENTITY, Pace(10, 20.0), world.clock.now() - pace.WINDOW * 2)
    assert placed(world, job) == Place(1, at_least=False, estimated_start=None)

    pace.add(world.conn, IDENTITY, Pace(10, 20.0), world.clock.now())
    world.suspend(account)
    assert placed(world, job) == Place(1, at_least=False, estimated_start=None)


def test_a_job_that_does_not_wait_has_no_place(world: World) -> None:
    (job,) = world.running(world.account())
    assert place_of(world.conn, world.job(job), clock=world.clock) is None


def test_beyond_the_bound_it_is_told_that_there_are_more(world: World) -> None:
    a, b, c = (world.account() for _ in range(3))
    jobs = world.admit(a, 6)
    world.admit(b, 2)
    world.admit(c, 2)
    found = [place_of(world.conn, world.job(job), clock=world.clock, counted=3) for job in jobs]

    assert [each and each.position for each in found] == [3, 4, 4, 4, 4, 4]
    assert [each and each.at_least for each in found] == [False] + [True] * 5


def test_a_place_counts_each_other_line_up_to_its_turns_however_few_are_looked_at_at_once(
    world: World,
) -> None:
    lengths = {"free": (1, 4, 2), "standard": (1, 9, 3, 5), "enterprise": (1, 4, 20, 2)}
    lines = [(plan, length) for plan, own in lengths.items() for length in own]
    for plan, length in lines:
        account = world.account()
        on_plan(world, account, plan)
        world.admit(account, length)
        idle = world.account()
        world.admit(idle, 2)
        world.suspend(idle)
    own = world.account()
    jobs = world.admit(own, 4)
    turns = {"free": Fraction(1, 4), "standard": Fraction(1), "enterprise": Fraction(4)}

    for number, job in enumerate(jobs, start=1):
        others = sum(min(length, ceil(number * turns[plan])) for plan, length in lines)
        for counted in (others + number, others + number + 1, 1000):
            found = place_of(world.conn, world.job(job), clock=world.clock, counted=counted)
            assert found is not None
            assert (found.position, found.at_least) == (number + others, False)
        over = place_of(world.conn, world.job(job), clock=world.clock, counted=number + 5)
        assert over == Place(number + 6, at_least=True, estimated_start=None)
