"""Waiting jobs go to the workers: accounts in turn, the oldest first, never over the cap."""

from datetime import timedelta

from domain.pipeline.dispatch import Turn
from schemas import topics
from schemas.ids import AccountId, JobId
from schemas.operations import OperationName
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import IDENTITY, World, failure, success


def accounts_in_order(world: World, count: int) -> list[AccountId]:
    return sorted(world.account() for _ in range(count))


def sent(world: World) -> list[JobId]:
    return [event.job_id for event in world.work()]


def test_accounts_are_served_in_turn_and_each_ones_oldest_first(world: World) -> None:
    a, b, c = accounts_in_order(world, 3)
    many, some, one = world.admit(a, 4), world.admit(b, 2), world.admit(c, 1)

    assert world.dispatch(cap=6) == Turn(6, a)

    assert sent(world) == [many[0], some[0], one[0], many[1], some[1], many[2]]
    assert world.states(many[3]) == ["queued"]


def test_a_turn_begins_behind_the_account_that_was_served_last(world: World) -> None:
    a, b, c = accounts_in_order(world, 3)
    jobs = {account: world.admit(account, 3) for account in (a, b, c)}

    first = world.dispatch(cap=2)
    second = world.dispatch(cap=4, after=first.last_account)
    third = world.dispatch(cap=5, after=second.last_account)

    assert (first, second, third) == (Turn(2, b), Turn(2, a), Turn(1, b))
    assert sent(world) == [jobs[a][0], jobs[b][0], jobs[c][0], jobs[a][1], jobs[b][1]]


def test_what_is_dispatched_or_runs_counts_against_the_cap_until_it_ends(world: World) -> None:
    account = world.account()
    job_ids = world.admit(account, 6)
    assert world.dispatch(cap=3).dispatched == 3
    world.claim((job_ids[0], 1))

    assert world.dispatch(cap=3, after=account) == Turn(0, account)
    assert world.dispatch(cap=2, after=account) == Turn(0, account)
    world.end(success(job_ids[0]))
    assert world.dispatch(cap=3) == Turn(1, account)


def test_operations_have_lines_and_caps_of_their_own(world: World) -> None:
    account = world.account()
    (upscale,) = world.admit(account, preset="upscale-fast-x4")
    (identity,) = world.admit(account)
    world.dispatch(cap=1)

    assert world.states(upscale, identity) == ["queued", "dispatched"]
    assert world.dispatch(cap=1, operation=OperationName.UPSCALE).dispatched == 1
    assert [event.job_id for event in world.work(OperationName.UPSCALE)] == [upscale]


def test_jobs_of_an_account_that_may_not_run_wait_and_hold_up_no_other(world: World) -> None:
    barred, free = accounts_in_order(world, 2)
    waiting, going = world.admit(barred, 3), world.admit(free, 2)
    world.suspend(barred)

    assert world.dispatch(cap=4).dispatched == 2
    assert world.states(*waiting, *going) == ["queued"] * 3 + ["dispatched"] * 2

    world.resume(barred)
    assert world.dispatch(cap=4).dispatched == 2


def test_a_dispatch_is_a_new_attempt_and_its_message_names_it(world: World) -> None:
    (job_id,) = world.admit(world.account())
    world.dispatch()

    job = world.job(job_id)
    assert (job.state, job.attempt, job.dispatched_at) == (
        JobState.DISPATCHED,
        1,
        world.clock.now(),
    )
    (message,) = world.messages(topics.work(IDENTITY))
    assert message.key == job_id
    (work,) = world.work()
    assert (work.job_id, work.attempt, work.operation) == (job_id, 1, IDENTITY)
    assert world.told()[-1].by is Actor.DISPATCHER


def test_with_nothing_in_line_there_is_nothing_to_do(world: World) -> None:
    world.clock.move(timedelta(days=1))
    assert world.dispatch(after="acc_x") == Turn(0, "acc_x")
    (job_id,) = world.running(world.account())
    world.end(failure(job_id))

    assert world.dispatch(after="acc_x") == Turn(0, "acc_x")
