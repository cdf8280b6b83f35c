"""Every job ends once, through one door, and tells of its usage exactly when it held money."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.billing import service as billing
from domain.billing.model import AlreadyRecorded, Balance, Captured, Released
from domain.jobs import store
from domain.jobs.model import Ending
from domain.pipeline.end import end_batch
from domain.pipeline.record import record
from domain.pipeline.sweep import sweep_leases
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import TERMINAL, Actor, JobState
from tests.integration.pipeline.pipeline_world import RESULT, World, failure, success


def lose_leases(world: World) -> None:
    world.clock.move(timedelta(seconds=16))
    sweep_leases(world.conn, clock=world.clock)
    world.conn.commit()


def dispatch_only(world: World, job_ids: list[JobId]) -> None:
    """Dispatch these and leave the others in line, whose places are first."""
    moved = store.dispatch(world.conn, job_ids, world.clock.now())
    record(world.conn, moved, by=Actor.DISPATCHER, at=world.clock.now())
    world.conn.commit()


def test_a_success_keeps_its_result_and_tells_of_the_usage(world: World) -> None:
    account = world.account()
    (job_id,) = world.running(account)
    world.clock.move(timedelta(seconds=2))

    report = {"tiles": 4, "phases_ms": {"decode": 1.5}}
    ended = world.end(replace(success(job_id), report=report))

    assert list(ended) == [job_id]
    job = world.job(job_id)
    assert (job.state, job.result, job.report) == (JobState.SUCCEEDED, RESULT, report)
    assert (job.ended_at, job.lease_until, job.version) == (world.clock.now(), None, 4)
    (usage,) = world.usage()
    assert (usage.outcome, usage.amount, usage.unit, usage.account_id) == (
        "succeeded",
        1,
        "CNY",
        account,
    )
    assert (usage.input_pixels, usage.output_pixels, usage.output_bytes) == (1200, 1200, 9)
    assert (usage.duration_ms, usage.admitted_at) == (2000, job.admitted_at)


def test_a_worker_whose_clock_is_ahead_ends_its_job_all_the_same(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.clock.move(timedelta(minutes=-2))

    world.end(success(job_id))

    assert world.job(job_id).state is JobState.SUCCEEDED
    assert [usage.duration_ms for usage in world.usage()] == [0]


def test_a_success_of_an_old_attempt_counts_wherever_the_job_stands(world: World) -> None:
    account = world.account()
    queued, dispatched, running = job_ids = world.running(account, 3)
    lose_leases(world)
    world.dispatch(cap=len(job_ids) - 1)
    again = {job_id for job_id in job_ids if world.job(job_id).state is JobState.DISPATCHED}
    world.claim((min(again), 2))
    assert sorted(world.states(*job_ids)) == ["dispatched", "queued", "running"]

    ended = world.end(success(queued, 1), success(dispatched, 1), success(running, 1))

    assert set(ended) == set(job_ids)


@pytest.mark.parametrize("to", [JobState.FAILED, JobState.REFUSED, JobState.CANCELLED])
def test_another_word_of_an_old_attempt_is_dropped(world: World, to: JobState) -> None:
    (job_id,) = world.running(world.account())
    lose_leases(world)
    assert world.end(failure(job_id, 1, to)) == {}
    world.dispatch()
    assert world.end(failure(job_id, 1, to), failure(job_id, 2, to)) == {}
    world.claim((job_id, 2))

    assert world.end(failure(job_id, 1, to)) == {}
    assert list(world.end(failure(job_id, 2, to))) == [job_id]


WORDS = [
    (Actor.RESULTS, JobState.SUCCEEDED),
    (Actor.RESULTS, JobState.FAILED),
    (Actor.RESULTS, JobState.REFUSED),
    (Actor.RESULTS, JobState.CANCELLED),
    (Actor.SWEEPER, JobState.FAILED),
    (Actor.SWEEPER, JobState.CANCELLED),
    (Actor.SWEEPER, JobState.EXPIRED),
    (Actor.CLIENT, JobState.CANCELLED),
    (Actor.OPERATOR, JobState.CANCELLED),
    (Actor.OPERATOR, JobState.REJECTED),
]
NEEDS_RUNNING = set(WORDS[1:6])
NEEDS_WAITING = set(WORDS[6:9])
"""Rejecting by an operator needs a job in review, where nothing brings one yet."""


def test_every_ending_that_is_not_legal_is_dropped_and_every_legal_one_counts(
    world: World,
) -> None:
    account = world.account()
    states = [JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING, *sorted(TERMINAL)]
    states.remove(JobState.REJECTED)
    cases = list(itertools.product(states, WORDS))
    job_ids = world.admit(account, len(cases))
    brought = [s for s, _ in cases]
    by_state = {
        state: [id_ for id_, at in zip(job_ids, brought, strict=True) if at is state]
        for state in states
    }
    expire = [Ending(id_, JobState.EXPIRED, Actor.SWEEPER) for id_ in by_state[JobState.EXPIRED]]
    world.end(*expire)
    keep = by_state[JobState.QUEUED]
    moved = [id_ for id_ in job_ids if id_ not in {*keep, *by_state[JobState.EXPIRED]}]
    dispatch_only(world, moved)
    world.claim(*((id_, 1) for id_ in moved if id_ not in by_state[JobState.DISPATCHED]))
    world.end(*(success(id_) for id_ in by_state[JobState.SUCCEEDED]))
    for state in (JobState.FAILED, JobState.REFUSED, JobState.CANCELLED):
        world.end(*(failure(id_, 1, state) for id_ in by_state[state]))
    assert world.states(*job_ids) == brought

    endings = [
        Ending(
            id_,
            to,
            by,
            attempt=1,
            code=ErrorCode.PROCESSING_FAILED,
            result=RESULT if to is JobState.SUCCEEDED else None,
        )
        for id_, (_, (by, to)) in zip(job_ids, cases, strict=True)
    ]
    ended = world.end(*endings)

    for job_id, (state, word) in zip(job_ids, cases, strict=True):
        legal = (
            (word == WORDS[0] and state not in TERMINAL)
            or (word in NEEDS_RUNNING and state is JobState.RUNNING)
            or (word in NEEDS_WAITING and state in (JobState.QUEUED, JobState.DISPATCHED))
        )
        assert (job_id in ended) is legal, (state, word)
        assert world.job(job_id).state is (word[1] if legal else state)


def test_two_endings_of_a_job_in_one_batch_are_one_the_first_that_is_legal(world: World) -> None:
    one, two = world.running(world.account(), 2)

    ended = world.end(
        failure(one, 9), success(one), failure(one), success(one), failure(two), success(two)
    )

    assert {id_: job.state for id_, job in ended.items()} == {one: "succeeded", two: "failed"}
    assert [world.job(one).version, world.job(two).version] == [4, 4]


def test_an_ending_that_comes_again_tells_of_no_second_usage(world: World) -> None:
    account = world.account(funds=10)
    paid, free = world.running(account, 2)
    for _ in range(3):
        world.end(success(paid), failure(free))

    assert sorted(event.job_id for event in world.usage()) == sorted([paid, free])
    assert sorted(map(str, map(type, world.bill()))) == sorted(map(str, [Captured, Released]))
    assert world.bill() == [AlreadyRecorded(), AlreadyRecorded()]
    assert billing.balance(world.conn, account) == Balance(9, 0, "CNY")


def test_endings_by_several_in_one_batch_are_told_as_each_ones_own(world: World) -> None:
    account = world.account()
    (done,) = world.running(account)
    cancelled, expired = world.admit(account, 2)

    world.end(
        success(done),
        Ending(cancelled, JobState.CANCELLED, Actor.CLIENT, code=ErrorCode.JOB_CANCELLED),
        Ending(expired, JobState.EXPIRED, Actor.SWEEPER, code=ErrorCode.JOB_EXPIRED),
    )

    told = {event.job_id: event.by for event in world.told() if event.state in TERMINAL}
    assert told == {done: Actor.RESULTS, cancelled: Actor.CLIENT, expired: Actor.SWEEPER}


def test_a_word_about_a_job_that_is_not_there_is_dropped(world: World) -> None:
    account = world.account()
    (job_id,) = world.running(account)

    assert world.end(success(world.candidate(account).job_id), success(job_id)).keys() == {job_id}


def test_nothing_of_an_ending_remains_when_it_is_rolled_back(world: World) -> None:
    (job_id,) = world.running(world.account())
    end_batch(world.conn, [success(job_id)], clock=world.clock)
    world.conn.rollback()

    assert world.job(job_id).state is JobState.RUNNING
    assert world.usage() == []
