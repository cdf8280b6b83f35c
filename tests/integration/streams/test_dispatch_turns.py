"""Who is served when: accounts in turn, up to a cap, suspended ones not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from schemas import topics
from schemas.events import Event, WorkDispatched
from schemas.operations import OperationName
from schemas.states import JobState
from streams.dispatcher import Dispatcher
from tests.integration.streams.streams_world import World

if TYPE_CHECKING:
    from schemas.ids import AccountId, JobId

CAPS = {OperationName.IDENTITY: 6}


def work(world: World) -> list[JobId]:
    """Return the jobs that were sent to the workers, in order."""
    bodies = world.outbox(topics.work(OperationName.IDENTITY))
    return [Event[WorkDispatched].decode(body).data.job_id for body in bodies]


def owners(world: World, job_ids: list[JobId]) -> list[str]:
    return [world.job(job_id).account_id for job_id in job_ids]


def three_accounts(world: World, *balances_of_work: int) -> list[AccountId]:
    """Enrol accounts with so much work each; return them in the order in which they are served."""
    accounts = sorted(world.account() for _ in balances_of_work)
    for account, count in zip(accounts, balances_of_work, strict=True):
        world.queue(account, count)
    return accounts


def step(world: World, dispatcher: Dispatcher) -> None:
    with psycopg.connect(world.database.app_url, autocommit=True) as conn:
        dispatcher.step(conn)


def finish(world: World, job_ids: list[JobId]) -> None:
    """Let jobs leave the workers' hands."""
    with psycopg.connect(world.database.owner_url) as owner:
        owner.execute(
            "UPDATE jobs SET state = 'cancelled', ended_at = now() WHERE id = ANY(%s)", (job_ids,)
        )


def test_accounts_with_unequal_lines_are_served_in_turn(world: World) -> None:
    a, b, c = three_accounts(world, 20, 3, 1)
    dispatcher = Dispatcher({OperationName.IDENTITY: 8}, world.clock)

    step(world, dispatcher)

    assert owners(world, work(world)) == [a, b, c, a, b, a, b, a]


def test_the_next_turn_begins_behind_whom_the_last_one_ended_with(world: World) -> None:
    a, b, c = three_accounts(world, 9, 9, 9)
    dispatcher = Dispatcher({OperationName.IDENTITY: 2}, world.clock)
    served = []
    for _ in range(4):
        before = len(work(world))
        step(world, dispatcher)
        new = work(world)[before:]
        served += owners(world, new)
        finish(world, new)
    assert served == [a, b, c, a, b, c, a, b]


def test_within_an_account_the_oldest_job_goes_first(world: World) -> None:
    queued = world.queue(world.account(), 5)
    step(world, Dispatcher(CAPS, world.clock))
    assert work(world) == queued


def test_no_more_than_the_cap_are_in_flight_however_often_it_is_asked(world: World) -> None:
    three_accounts(world, 10, 10)
    dispatcher = Dispatcher(CAPS, world.clock)
    for _ in range(3):
        step(world, dispatcher)
    assert len(work(world)) == 6
    world.claim(*work(world)[:3])
    step(world, dispatcher)
    assert len(work(world)) == 6
    finish(world, work(world)[:2])
    step(world, dispatcher)
    assert len(work(world)) == 8


def test_a_dispatched_job_has_a_new_attempt_and_its_message_says_which(world: World) -> None:
    (job_id,) = world.queue(world.account(), 1)
    step(world, Dispatcher(CAPS, world.clock))
    (body,) = world.outbox(topics.work(OperationName.IDENTITY))
    event = Event[WorkDispatched].decode(body)
    assert (event.data.attempt, event.id) == (1, f"{job_id}.1.dispatched")
    assert world.job(job_id).state is JobState.DISPATCHED
    assert world.job(job_id).dispatched_at == world.clock.now()


def test_the_jobs_of_a_suspended_account_wait_and_go_on_when_it_is_resumed(world: World) -> None:
    a, b = three_accounts(world, 2, 2)
    world.suspend(a)
    dispatcher = Dispatcher(CAPS, world.clock)

    step(world, dispatcher)
    assert owners(world, work(world)) == [b, b]

    world.resume(a)
    step(world, dispatcher)
    assert owners(world, work(world)) == [b, b, a, a]


def test_a_suspended_account_takes_no_place_of_the_others(world: World) -> None:
    a, b = three_accounts(world, 50, 4)
    world.suspend(a)
    step(world, Dispatcher({OperationName.IDENTITY: 4}, world.clock))
    assert owners(world, work(world)) == [b] * 4
