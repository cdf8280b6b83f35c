"""Waiting jobs go to the workers: accounts in turn, the oldest first, never over the caps."""

from datetime import timedelta

from domain.admission.restrictions import Step
from domain.catalogue import plans
from domain.jobs.turns import EVEN
from domain.pipeline.dispatch import BATCH, dispatch
from schemas import topics
from schemas.ids import AccountId, JobId
from schemas.operations import OperationName
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import IDENTITY, World, failure, success


def accounts_in_order(world: World, count: int) -> list[AccountId]:
    return sorted(world.account() for _ in range(count))


def sent(world: World) -> list[JobId]:
    return [event.job_id for event in world.work()]


def owners(world: World) -> list[str]:
    return [world.job(job_id).account_id for job_id in sent(world)]


def on_plan(world: World, account: AccountId, plan: str) -> None:
    world.conn.execute("UPDATE accounts SET plan = %s WHERE id = %s", (plan, account))
    world.conn.commit()


def prioritise(world: World, job_id: JobId, priority: int) -> None:
    world.conn.execute("UPDATE jobs SET priority = %s WHERE id = %s", (priority, job_id))
    world.conn.commit()


def test_accounts_are_served_in_turn_and_each_ones_oldest_first(world: World) -> None:
    a, b, c = accounts_in_order(world, 3)
    many, some, one = world.admit(a, 4), world.admit(b, 2), world.admit(c, 1)

    assert world.dispatch(cap=6).dispatched == 6

    assert sent(world) == [many[0], some[0], one[0], many[1], some[1], many[2]]
    assert world.states(many[3]) == ["queued"]


def test_a_turn_begins_behind_the_account_that_was_served_last(world: World) -> None:
    a, b, c = accounts_in_order(world, 3)
    jobs = {account: world.admit(account, 3) for account in (a, b, c)}

    first = world.dispatch(cap=2)
    second = world.dispatch(cap=4, turns=first.turns)
    third = world.dispatch(cap=5, turns=second.turns)

    assert [turn.dispatched for turn in (first, second, third)] == [2, 2, 1]
    assert sent(world) == [jobs[a][0], jobs[b][0], jobs[c][0], jobs[a][1], jobs[b][1]]


def test_what_is_dispatched_or_runs_counts_against_the_cap_until_it_ends(world: World) -> None:
    account = world.account()
    job_ids = world.admit(account, 6)
    assert world.dispatch(cap=3).dispatched == 3
    world.claim((job_ids[0], 1))

    assert world.dispatch(cap=3).dispatched == 0
    assert world.dispatch(cap=2).dispatched == 0
    world.end(success(job_ids[0]))
    assert world.dispatch(cap=3).dispatched == 1


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
    assert world.dispatch().dispatched == 0
    (job_id,) = world.running(world.account())
    world.end(failure(job_id))

    turn = world.dispatch()
    assert (turn.dispatched, turn.held_up, dict(turn.turns.passes)) == (0, False, {})


def test_the_places_of_a_line_that_runs_out_go_to_the_others(world: World) -> None:
    a, b, c = accounts_in_order(world, 3)
    one, some, many = world.admit(a, 1), world.admit(b, 3), world.admit(c, 9)

    turn = world.dispatch(cap=10)

    assert turn.dispatched == 10
    assert sent(world)[:5] == [one[0], some[0], many[0], some[1], many[1]]
    assert set(sent(world)) == {*one, *some, *many[:6]}


def test_a_plan_of_four_times_the_weight_has_four_times_the_turns(world: World) -> None:
    a, b = accounts_in_order(world, 2)
    on_plan(world, a, "free")
    world.admit(a, 9)
    world.admit(b, 20)
    world.limit_in_flight(a, 100)

    world.dispatch(cap=15)

    assert owners(world) == [a, b, b, b, b, a, b, b, b, b, a, b, b, b, b]


def test_a_plan_may_be_added_with_a_weight_and_no_limits(world: World) -> None:
    plans.put(world.conn, "heavy", weight=2)
    a, b = accounts_in_order(world, 2)
    on_plan(world, a, "heavy")
    plans.put(world.conn, "light", weight=1)
    on_plan(world, b, "light")
    world.admit(a, 6)
    world.admit(b, 6)

    world.dispatch(cap=6)

    assert owners(world) == [a, b, a, a, b, a]


def test_an_account_has_no_more_in_flight_than_its_plan_allows(world: World) -> None:
    a, b = accounts_in_order(world, 2)
    on_plan(world, a, "free")
    in_flight = world.admit(a, 5)
    world.admit(b, 5)

    turn = world.dispatch(cap=100)

    assert (turn.dispatched, turn.held_up) == (7, True)
    assert world.states(*in_flight) == ["dispatched"] * 2 + ["queued"] * 3
    assert world.dispatch(cap=100, turns=turn.turns).dispatched == 0


def test_the_limit_of_an_account_is_of_all_operations_and_of_each(world: World) -> None:
    account = world.account()
    world.limit_in_flight(account, 3)
    world.limit_in_flight(account, 2, operation="identity")
    world.admit(account, 5)
    world.admit(account, 5, preset="upscale-fast-x4")

    assert world.dispatch().dispatched == 2
    assert world.dispatch(operation=OperationName.UPSCALE).dispatched == 1


def test_a_limit_under_what_is_in_flight_lets_it_finish_and_starts_no_more(world: World) -> None:
    account = world.account()
    jobs = world.admit(account, 4)
    assert world.dispatch(cap=3).dispatched == 3
    world.limit_in_flight(account, 1)

    assert world.dispatch().dispatched == 0
    assert sorted(world.claim(*((job, 1) for job in jobs))) == sorted(jobs[:3])


def test_a_slowed_account_has_a_tenth_of_the_turns_and_one_job_in_flight(world: World) -> None:
    a, b = accounts_in_order(world, 2)
    world.restrain(a, Step.SLOW_DOWN)
    (first, *others) = world.admit(a, 4)
    world.admit(b, 40)

    turn = world.dispatch(cap=12)
    assert (turn.dispatched, owners(world).count(a)) == (12, 1)
    world.claim((first, 1))
    world.end(success(first))

    then = world.dispatch(cap=20, turns=turn.turns)
    assert (then.dispatched, owners(world)[12:].count(a)) == (9, 1)
    assert world.states(*others) == ["dispatched", "queued", "queued"]


def test_higher_priorities_go_first_inside_their_account_alone(world: World) -> None:
    a, b = accounts_in_order(world, 2)
    own, others = world.admit(a, 4), world.admit(b, 2)
    prioritise(world, own[2], 5)
    prioritise(world, own[0], -1)

    world.dispatch()

    assert sent(world) == [own[2], others[0], own[1], others[1], own[3], own[0]]


def test_jobs_of_a_suspended_operation_wait_and_the_others_of_the_account_go_on(
    world: World,
) -> None:
    account = world.account()
    waiting = world.admit(account, 2)
    (other,) = world.admit(account, preset="upscale-fast-x4")
    world.restrain(account, Step.SUSPEND_OPERATION, operation=IDENTITY)

    assert world.dispatch().dispatched == 0
    assert world.dispatch(operation=OperationName.UPSCALE).dispatched == 1
    assert world.states(*waiting, other) == ["queued", "queued", "dispatched"]

    world.lift(account)
    assert world.dispatch().dispatched == 2


def test_a_suspended_operation_of_a_dispatched_job_is_not_claimed(world: World) -> None:
    account = world.account()
    (job_id,) = world.admit(account)
    world.dispatch()
    until = world.clock.now() + timedelta(hours=1)
    world.restrain(account, Step.SUSPEND_OPERATION, operation=IDENTITY, until=until)

    assert world.claim((job_id, 1)) == []
    world.clock.move(timedelta(hours=1))
    assert world.claim((job_id, 1)) == [job_id]


def test_the_cap_in_all_holds_over_the_operations_together(world: World) -> None:
    account = world.account()
    world.admit(account, 3)
    world.admit(account, 3, preset="upscale-fast-x4")
    world.dispatch(cap=2)

    turn = dispatch(
        world.conn,
        OperationName.UPSCALE,
        cap=5,
        cap_in_all=3,
        turns=EVEN,
        clock=world.clock,
    )
    world.conn.commit()

    assert (turn.dispatched, turn.held_up) == (1, True)


def test_one_turn_sends_no_more_than_a_batch(world: World) -> None:
    account = world.account()
    world.limit_in_flight(account, None)
    world.admit(account, BATCH + 1)

    turn = world.dispatch(cap=10 * BATCH)
    assert (turn.dispatched, turn.held_up) == (BATCH, True)
    assert world.dispatch(cap=10 * BATCH, turns=turn.turns).dispatched == 1
