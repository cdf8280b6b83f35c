"""Stopping a job, and trying an ended one again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs.model import Job
from domain.pipeline.cancel import JobEndedError, cancel
from domain.pipeline.claim import renew_leases
from domain.pipeline.retry import NotRetryableError
from domain.pipeline.submit import RefusedError, submit_retry
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import LEASE, WEEK, World, failure, success


def cancelled(world: World, job_id: JobId) -> Job | None:
    job = cancel(world.conn, job_id, by=Actor.CLIENT, clock=world.clock)
    world.conn.commit()
    return job


def retried(world: World, job_id: JobId) -> Job:
    old = world.job(job_id)
    with world.conn.transaction():
        return submit_retry(world.conn, old, clock=world.clock, lifetime=WEEK)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.DISPATCHED])
def test_a_job_that_waits_ends_at_once_and_free(world: World, state: JobState) -> None:
    account = world.account(funds=5)
    (job_id,) = world.admit(account)
    world.bring(job_id, state)

    job = cancelled(world, job_id)

    assert job is not None
    assert (job.state, job.code, job.ended_at) == (
        JobState.CANCELLED,
        ErrorCode.JOB_CANCELLED,
        world.clock.now(),
    )
    assert [event.outcome for event in world.usage()] == ["cancelled"]
    world.bill()
    assert billing.balance(world.conn, account) == Balance(5, 0, "CNY")


def test_cancelling_twice_is_harmless(world: World) -> None:
    (job_id,) = world.admit(world.account())
    first = cancelled(world, job_id)

    assert cancelled(world, job_id) == first
    assert len(world.usage()) == 1


def test_a_running_job_is_asked_to_stop_and_its_worker_hears_of_it(world: World) -> None:
    (job_id,) = world.running(world.account())

    for _ in range(2):
        job = cancelled(world, job_id)
        assert job is not None
        assert (job.state, job.cancel_requested, job.version) == (JobState.RUNNING, True, 3)

    renewed = renew_leases(world.conn, [(job_id, 1)], lease=LEASE, clock=world.clock)
    assert renewed == {job_id: True}
    world.end(failure(job_id, 1, JobState.CANCELLED))
    assert [event.outcome for event in world.usage()] == ["cancelled"]


def test_a_job_that_was_done_before_its_worker_heard_is_charged(world: World) -> None:
    account = world.account(funds=5)
    (job_id,) = world.running(account)
    cancelled(world, job_id)

    world.end(success(job_id))
    world.bill()

    assert billing.balance(world.conn, account) == Balance(4, 0, "CNY")


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.EXPIRED])
def test_a_job_that_ended_otherwise_cannot_be_cancelled(world: World, state: JobState) -> None:
    (job_id,) = world.admit(world.account())
    world.bring(job_id, state)

    with pytest.raises(JobEndedError, match=state):
        cancelled(world, job_id)
    assert world.job(job_id).state is state


def test_there_is_nothing_to_cancel_of_a_job_that_is_not_there(world: World) -> None:
    assert cancelled(world, world.candidate("acc_none").job_id) is None


def test_a_failed_job_is_tried_again_as_a_new_one_that_links_to_it(world: World) -> None:
    account = world.account(funds=10)
    (old,) = world.running(account)
    world.end(failure(old))
    world.bill()

    new = retried(world, old)

    assert (new.state, new.retry_of, new.amount) == (JobState.QUEUED, old, 1)
    assert new.id != old
    assert new.source == world.job(old).source
    assert world.job(old).state is JobState.FAILED
    assert billing.balance(world.conn, account) == Balance(9, 1, "CNY")


def test_trying_one_job_again_twice_gives_the_same_new_job(world: World) -> None:
    (old,) = world.running(world.account())
    world.end(failure(old))
    first = retried(world, old)

    assert retried(world, old).id == first.id
    world.bring(first.id, JobState.FAILED)
    assert retried(world, old).state is JobState.FAILED
    assert retried(world, first.id).retry_of == first.id


def test_trying_one_job_again_at_once_by_several_makes_one(world: World) -> None:
    account = world.account(funds=10)
    (job_id,) = world.running(account)
    world.end(failure(job_id))
    world.bill()
    old = world.job(job_id)
    start = Barrier(4)

    def retry(_: int) -> JobId:
        with world.connect() as conn:
            start.wait(timeout=30)
            return submit_retry(conn, old, clock=world.clock, lifetime=WEEK).id

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(retry, range(4)))) == 1
    assert billing.balance(world.conn, account) == Balance(9, 1, "CNY")


def test_what_succeeded_or_goes_on_is_not_tried_again(world: World) -> None:
    (running,) = world.running(world.account())
    with pytest.raises(NotRetryableError):
        retried(world, running)
    world.end(success(running))
    with pytest.raises(NotRetryableError):
        retried(world, running)


def test_preset_and_price_are_resolved_anew(world: World) -> None:
    account = world.account()
    candidate = world.candidate(account, "mine")
    world.decide(candidate)
    assert world.job(candidate.job_id).code is ErrorCode.PRESET_UNKNOWN
    world.conn.execute(
        "INSERT INTO presets (name, account_id, operation) VALUES ('mine', %s, 'identity')",
        (account,),
    )
    world.conn.execute(
        "INSERT INTO prices (operation, unit, amount, effective_from, announced_at)"
        " VALUES ('identity', 'CNY', 7, %s, %s)",
        (world.clock.now(), world.clock.now()),
    )

    new = retried(world, candidate.job_id)

    assert (new.state, new.preset, new.amount) == (JobState.QUEUED, "mine", 7)


def test_a_retry_that_is_refused_leaves_nothing_and_may_be_asked_for_again(world: World) -> None:
    account = world.account(funds=0)
    candidate = world.candidate(account)
    world.decide(candidate)

    with pytest.raises(RefusedError) as refused:
        retried(world, candidate.job_id)
    assert refused.value.code is ErrorCode.INSUFFICIENT_BALANCE
    billing.top_up(world.conn, account, 1, key="now", at=world.clock.now())
    world.conn.commit()

    assert retried(world, candidate.job_id).state is JobState.QUEUED


def test_a_suspended_accounts_job_is_not_tried_again(world: World) -> None:
    account = world.account()
    candidate = replace(world.candidate(account), source_bytes=0)
    world.decide(candidate)
    world.suspend(account)

    with pytest.raises(RefusedError) as refused:
        retried(world, candidate.job_id)
    assert refused.value.code is ErrorCode.ACCOUNT_SUSPENDED
