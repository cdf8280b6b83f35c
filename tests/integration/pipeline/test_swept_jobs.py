"""What time brings: lost leases, attempts that nobody claimed, jobs that expired."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.admission.restrictions import Step
from domain.billing import service as billing
from domain.billing.model import Balance
from domain.pipeline import sweep
from domain.pipeline.cancel import cancel
from domain.pipeline.sweep import Swept, sweep_expired, sweep_leases, sweep_unclaimed
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.operations import OperationName
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import IDENTITY, LEASE, WEEK, World, success

SECOND = timedelta(seconds=1)
Sweep = Callable[..., Swept]


def swept(world: World, turn: Sweep) -> Swept:
    found = turn(world.conn, clock=world.clock)
    world.conn.commit()
    return found


def run_again(world: World, job_id: JobId) -> None:
    world.dispatch()
    assert world.claim((job_id, world.job(job_id).attempt)) == [job_id]


def test_a_lease_holds_until_its_end_and_then_the_job_is_back_in_line(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.clock.move(LEASE)
    assert swept(world, sweep_leases) == Swept(0, 0)

    world.clock.move(SECOND)
    assert swept(world, sweep_leases) == Swept(requeued=1, ended=0)

    job = world.job(job_id)
    assert (job.state, job.lease_losses, job.worker, job.lease_until, job.started_at) == (
        JobState.QUEUED,
        1,
        None,
        None,
        None,
    )
    assert world.usage() == []
    run_again(world, job_id)
    assert world.job(job_id).attempt == 2


def test_the_third_lost_lease_ends_the_job_free_of_charge(world: World) -> None:
    account = world.account(funds=5)
    (job_id,) = world.running(account)
    for losses in (1, 2):
        world.clock.move(LEASE + SECOND)
        assert swept(world, sweep_leases) == Swept(requeued=1, ended=0)
        assert world.job(job_id).lease_losses == losses
        run_again(world, job_id)
    world.clock.move(LEASE + SECOND)

    assert swept(world, sweep_leases) == Swept(requeued=0, ended=1)

    job = world.job(job_id)
    assert (job.state, job.code) == (JobState.FAILED, ErrorCode.PROCESSING_FAILED)
    assert job.detail
    assert swept(world, sweep_leases) == Swept(0, 0)
    world.bill()
    assert billing.balance(world.conn, account) == Balance(5, 0, "CNY")


def test_a_job_whose_cancellation_was_asked_for_ends_cancelled_with_its_lease(
    world: World,
) -> None:
    (job_id,) = world.running(world.account())
    cancel(world.conn, job_id, by=Actor.OPERATOR, clock=world.clock)
    world.clock.move(LEASE + SECOND)

    assert swept(world, sweep_leases) == Swept(requeued=0, ended=1)
    assert world.job(job_id).state is JobState.CANCELLED
    assert world.told()[-1].by is Actor.SWEEPER


def test_what_nobody_claims_for_ten_minutes_is_back_in_line(world: World) -> None:
    unclaimed, claimed = world.admit(world.account(), 2)
    world.dispatch()
    world.claim((claimed, 1))
    world.clock.move(sweep.UNCLAIMED_AFTER)
    assert swept(world, sweep_unclaimed) == Swept(0, 0)

    world.clock.move(SECOND)
    assert swept(world, sweep_unclaimed) == Swept(requeued=1, ended=0)

    job = world.job(unclaimed)
    assert (job.state, job.attempt, job.lease_losses) == (JobState.QUEUED, 1, 0)
    assert world.claim((unclaimed, 1)) == []
    run_again(world, unclaimed)


def test_unclaimed_jobs_of_a_suspended_operation_are_back_in_line_at_once(world: World) -> None:
    account, other = world.account(), world.account()
    waiting, free = world.admit(account, 2), world.admit(other)
    (of_another_operation,) = world.admit(account, preset="upscale-fast-x4")
    world.dispatch()
    world.dispatch(operation=OperationName.UPSCALE)
    world.claim((waiting[1], 1))
    world.restrain(account, Step.SUSPEND_OPERATION, operation=IDENTITY)

    assert swept(world, sweep_unclaimed) == Swept(requeued=1, ended=0)

    assert world.states(*waiting, *free, of_another_operation) == [
        "queued",
        "running",
        "dispatched",
        "dispatched",
    ]


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.DISPATCHED])
def test_a_waiting_job_expires_free_of_charge(world: World, state: JobState) -> None:
    account = world.account(funds=5)
    (job_id,) = world.admit(account)
    world.bring(job_id, state)
    world.clock.move(WEEK - SECOND)
    assert swept(world, sweep_expired) == Swept(0, 0)

    world.clock.move(SECOND)
    assert swept(world, sweep_expired) == Swept(requeued=0, ended=1)

    job = world.job(job_id)
    assert (job.state, job.code) == (JobState.EXPIRED, ErrorCode.JOB_EXPIRED)
    world.bill()
    assert billing.balance(world.conn, account) == Balance(5, 0, "CNY")
    assert swept(world, sweep_expired) == Swept(0, 0)


def test_a_job_that_runs_does_not_expire(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.clock.move(WEEK * 2)

    assert swept(world, sweep_expired) == Swept(0, 0)
    world.end(success(job_id))
    assert world.job(job_id).state is JobState.SUCCEEDED


def test_jobs_that_somebody_holds_locked_are_left_for_the_next_turn(world: World) -> None:
    locked, free = world.running(world.account(), 2)
    world.clock.move(LEASE + SECOND)
    with world.connect() as other:
        other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (locked,))

        assert swept(world, sweep_leases) == Swept(requeued=1, ended=0)

    assert world.states(locked, free) == ["running", "queued"]
    assert swept(world, sweep_leases) == Swept(requeued=1, ended=0)


def test_a_turn_is_bounded_and_the_next_goes_on(world: World) -> None:
    account = world.account()
    world.limit_in_flight(account, None)
    world.running(account, sweep.BATCH + 7)
    world.clock.move(LEASE + SECOND)

    assert swept(world, sweep_leases) == Swept(requeued=sweep.BATCH, ended=0)
    assert swept(world, sweep_leases) == Swept(requeued=7, ended=0)
    world.clock.move(WEEK)
    assert swept(world, sweep_expired).ended == sweep.BATCH
    assert swept(world, sweep_expired).ended == 7
