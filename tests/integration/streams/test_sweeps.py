"""What time overtakes: leases, jobs nobody claimed, jobs that expired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.pipeline.cancel import cancel
from schemas import topics
from schemas.errors import ErrorCode
from schemas.events import Event, UsageRecorded
from schemas.states import Actor, JobState
from streams.sweeper import Sweeper
from tests.integration.streams.streams_world import LEASE, World

if TYPE_CHECKING:
    from schemas.ids import JobId


@pytest.fixture
def conn(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.database.app_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def sweeper(world: World, conn: psycopg.Connection) -> Sweeper:
    """A sweeper whose connection has been unbroken for as long as a lease lasts."""
    sweeper = Sweeper(world.clock, lease=LEASE)
    sweeper.step(conn)
    world.clock.turn(seconds=15)
    return sweeper


def usage_of(world: World, job_id: JobId) -> list[UsageRecorded]:
    events = [Event[UsageRecorded].decode(body) for body in world.outbox(topics.USAGE)]
    return [event.data for event in events if event.data.job_id == job_id]


def test_a_job_whose_lease_is_over_goes_back_in_line_and_counts_a_loss(
    world: World, conn: psycopg.Connection, sweeper: Sweeper
) -> None:
    job_id = world.run(world.account())
    world.clock.turn(seconds=14.9)
    sweeper.step(conn)
    assert world.job(job_id).state is JobState.RUNNING

    world.clock.turn(seconds=0.2)
    sweeper.step(conn)

    job = world.job(job_id)
    assert (job.state, job.lease_losses, job.attempt) == (JobState.QUEUED, 1, 1)
    assert (job.worker, job.lease_until, job.started_at) == (None, None, None)
    assert usage_of(world, job_id) == []


def test_the_third_loss_ends_a_job_as_failed_and_tells_billing_to_release(
    world: World, conn: psycopg.Connection, sweeper: Sweeper
) -> None:
    job_id = world.run(world.account())
    for loss in (1, 2):
        world.clock.turn(seconds=16)
        sweeper.step(conn)
        assert world.job(job_id).lease_losses == loss
        world.dispatch()
        world.claim(job_id)
    world.clock.turn(seconds=16)
    sweeper.step(conn)

    job = world.job(job_id)
    assert (job.state, job.code, job.attempt) == (
        JobState.FAILED,
        ErrorCode.PROCESSING_FAILED,
        3,
    )
    (usage,) = usage_of(world, job_id)
    assert usage.outcome is JobState.FAILED


def test_a_lost_job_whose_cancellation_was_asked_for_ends_cancelled(
    world: World, conn: psycopg.Connection, sweeper: Sweeper
) -> None:
    job_id = world.run(world.account())
    with world.pool.connection() as asking:
        cancel(asking, job_id, by=Actor.CLIENT, clock=world.clock)
    assert world.job(job_id).state is JobState.RUNNING
    world.clock.turn(seconds=16)
    sweeper.step(conn)
    assert world.job(job_id).state is JobState.CANCELLED
    assert [usage.outcome for usage in usage_of(world, job_id)] == [JobState.CANCELLED]


def test_leases_are_judged_only_after_the_connection_has_held_for_a_lease(
    world: World, conn: psycopg.Connection
) -> None:
    job_id = world.run(world.account())
    world.clock.turn(seconds=60)
    sweeper = Sweeper(world.clock, lease=LEASE)
    for _ in range(3):
        sweeper.step(conn)
        assert world.job(job_id).state is JobState.RUNNING
        world.clock.turn(seconds=5)
    sweeper.step(conn)
    assert world.job(job_id).state is JobState.QUEUED


def test_a_new_connection_begins_the_wait_anew(world: World, sweeper: Sweeper) -> None:
    job_id = world.run(world.account())
    world.clock.turn(seconds=60)
    with psycopg.connect(world.database.app_url, autocommit=True) as other:
        sweeper.step(other)
        world.clock.turn(seconds=14)
        sweeper.step(other)
        assert world.job(job_id).state is JobState.RUNNING
        world.clock.turn(seconds=1)
        sweeper.step(other)
    assert world.job(job_id).state is JobState.QUEUED


def test_a_job_that_nobody_claims_for_ten_minutes_goes_back_in_line(
    world: World, conn: psycopg.Connection, sweeper: Sweeper
) -> None:
    (job_id,) = world.queue(world.account(), 1)
    world.dispatch()
    world.clock.turn(minutes=10)
    sweeper.step(conn)
    assert world.job(job_id).state is JobState.DISPATCHED

    world.clock.turn(seconds=1)
    sweeper.step(conn)

    job = world.job(job_id)
    assert (job.state, job.attempt, job.lease_losses) == (JobState.QUEUED, 1, 0)
    world.dispatch()
    assert world.job(job_id).attempt == 2


def test_waiting_jobs_expire_with_holds_to_be_released_and_a_running_one_does_not(
    world: World, conn: psycopg.Connection, sweeper: Sweeper
) -> None:
    running = world.run(world.account())
    waiting = world.queue(world.account(), 2)
    world.dispatch(cap=2)
    assert world.states(waiting) == [JobState.DISPATCHED, JobState.QUEUED]
    world.clock.turn(days=7)
    world.renew(running)

    sweeper.step(conn)

    assert world.states(waiting) == [JobState.EXPIRED] * 2
    assert [world.job(job_id).code for job_id in waiting] == [ErrorCode.JOB_EXPIRED] * 2
    assert [len(usage_of(world, job_id)) for job_id in waiting] == [1, 1]
    assert world.job(running).state is JobState.RUNNING
