"""How many jobs are in flight follows the workers that live; how fast lines move is noted."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.jobs import pace, workers
from domain.pipeline.record import QUEUE_CHANNEL
from infra.postgres import listen
from processors.worker.presence import Presence
from schemas import topics
from schemas.operations import OperationName
from streams.dispatcher import Dispatcher
from tests.integration.streams.streams_world import World, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.ids import JobId

ONE = {OperationName.IDENTITY: 4}
"""The caps of one worker by the settings."""


@pytest.fixture
def dispatcher(world: World) -> Dispatcher:
    return Dispatcher(ONE, world.clock)


def presence(world: World, name: str, slots: int) -> Presence:
    return Presence(world.pool, world.clock, worker=name, slots={OperationName.IDENTITY: slots})


def turn(world: World, dispatcher: Dispatcher) -> int:
    """Let the dispatcher take a turn; return how many jobs have been sent in all."""
    with psycopg.connect(world.database.app_url, autocommit=True) as conn:
        dispatcher.step(conn)
    return len(world.outbox(topics.work(OperationName.IDENTITY)))


def finish(world: World, job_ids: list[JobId]) -> None:
    with psycopg.connect(world.database.owner_url) as owner:
        owner.execute(
            "UPDATE jobs SET state = 'cancelled', ended_at = now() WHERE id = ANY(%s)", (job_ids,)
        )


@contextmanager
def listening(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.database.app_url, autocommit=True) as conn:
        listen(conn, QUEUE_CHANNEL)
        yield conn


def test_while_no_worker_tells_of_itself_there_is_work_for_one(
    world: World, dispatcher: Dispatcher
) -> None:
    world.queue(world.account(), 20)
    assert turn(world, dispatcher) == 4


def test_two_jobs_are_in_flight_for_each_slot_of_all_live_workers(
    world: World, dispatcher: Dispatcher
) -> None:
    world.queue(world.account(), 20)
    presence(world, "first", 3).beat()
    presence(world, "second", 2).beat()
    assert turn(world, dispatcher) == 10


def test_a_worker_that_comes_wakes_the_dispatcher_and_one_that_stays_does_not(
    world: World, dispatcher: Dispatcher
) -> None:
    world.queue(world.account(), 20)
    assert turn(world, dispatcher) == 4
    worker = presence(world, "first", 5)
    with listening(world) as conn:
        worker.beat()
        assert len(list(conn.notifies(timeout=5, stop_after=1))) == 1
        worker.beat()
        assert list(conn.notifies(timeout=0.2)) == []

    world.clock.turn(seconds=1)
    assert turn(world, dispatcher) == 10


def test_a_worker_that_is_silent_for_15_s_counts_no_more_and_one_that_left_at_once(
    world: World, dispatcher: Dispatcher
) -> None:
    world.queue(world.account(), 30)
    presence(world, "silent", 3).beat()
    leaving = presence(world, "leaving", 3)
    leaving.beat()
    assert turn(world, dispatcher) == 12
    leaving.leave()
    with world.pool.connection() as conn:
        assert workers.live_slots(conn, world.clock.now()) == {OperationName.IDENTITY: 3}
        later = world.clock.now() + workers.DEAD_AFTER
        assert workers.live_slots(conn, later) == {}
        workers.forget(conn, world.clock.now() + timedelta(hours=2))
    assert world.count("workers") == 0


def test_a_worker_beats_until_it_is_stopped_and_then_leaves(world: World) -> None:
    stopping = threading.Event()
    worker = presence(world, "first", 3)
    beating = threading.Thread(target=worker.keep, args=(stopping,))
    beating.start()
    until(lambda: world.count("workers") == 1)
    stopping.set()
    beating.join(10)
    assert world.count("workers") == 0


def test_the_pace_of_a_line_is_noted_while_it_is_held_up_alone(
    world: World, dispatcher: Dispatcher
) -> None:
    jobs = world.queue(world.account(), 12)
    assert turn(world, dispatcher) == 4
    for sent in (4, 8):
        world.clock.turn(seconds=2)
        finish(world, jobs[sent - 4 : sent])
        assert turn(world, dispatcher) == sent + 4
    world.clock.turn(seconds=2)
    turn(world, dispatcher)
    world.clock.turn(seconds=2)
    turn(world, dispatcher)

    with world.pool.connection() as conn:
        seen = pace.recent(conn, OperationName.IDENTITY, world.clock.now())
        unseen = pace.recent(conn, OperationName.UPSCALE, world.clock.now())
    assert (seen.jobs, round(seen.seconds), seen.per_second) == (8, 4, 2.0)
    assert unseen.per_second is None
