"""A worker gets an attempt once, if it is current and its account may run, and keeps its lease."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

from domain.pipeline.claim import claim_batch, renew_leases
from schemas.ids import JobId, object_job_id
from schemas.states import Actor, JobState
from tests.integration.pipeline.pipeline_world import LEASE, World, success


def dispatched(world: World) -> JobId:
    (job_id,) = world.admit(world.account())
    world.dispatch()
    return job_id


def test_a_claimed_job_runs_under_the_workers_lease(world: World) -> None:
    job_id = dispatched(world)
    world.clock.move(timedelta(seconds=3))

    assert world.claim((job_id, 1), worker="w-7") == [job_id]

    job = world.job(job_id)
    assert (job.state, job.worker, job.started_at) == (JobState.RUNNING, "w-7", world.clock.now())
    assert job.lease_until == world.clock.now() + LEASE
    assert world.told()[-1].by is Actor.WORKER


def test_only_the_current_attempt_is_claimed(world: World) -> None:
    job_id = dispatched(world)

    assert world.claim((job_id, 2)) == []
    assert world.claim((object_job_id("b", "nowhere", "0e"), 1)) == []
    assert world.claim((job_id, 1)) == [job_id]
    assert world.claim((job_id, 1)) == []


def test_what_is_not_dispatched_is_not_claimed(world: World) -> None:
    account = world.account()
    running, ended = world.running(account, 2)
    world.end(success(ended))
    (queued,) = world.admit(account)

    assert world.claim((queued, 0), (queued, 1), (running, 1), (ended, 1)) == []


def test_a_job_is_not_claimed_from_the_moment_it_expires(world: World) -> None:
    account = world.account()
    expiring = replace(world.candidate(account), expires_at=world.clock.now() + timedelta(hours=1))
    (other,) = world.admit(account)
    world.decide(expiring)
    world.dispatch()
    world.clock.move(timedelta(hours=1))

    assert world.claim((expiring.job_id, 1), (other, 1)) == [other]


def test_a_suspension_between_dispatch_and_claim_keeps_the_job_back(world: World) -> None:
    barred, free = world.account(), world.account()
    (kept,), (started,) = world.admit(barred), world.admit(free)
    world.dispatch()
    world.suspend(barred)

    assert world.claim((kept, 1), (started, 1)) == [started]
    assert world.job(kept).state is JobState.DISPATCHED

    world.resume(barred)
    assert world.claim((kept, 1)) == [kept]


def test_of_many_workers_exactly_one_gets_each_job(world: World) -> None:
    job_ids = world.admit(world.account(), 40)
    world.dispatch()
    start = Barrier(4)

    def claim(number: int) -> list[JobId]:
        order = job_ids if number % 2 else job_ids[::-1]
        with world.connect() as conn:
            start.wait(timeout=30)
            claimed = claim_batch(
                conn,
                [(id_, 1) for id_ in order],
                worker=f"w-{number}",
                lease=LEASE,
                clock=world.clock,
            )
            return [job.id for job in claimed]

    with ThreadPoolExecutor(4) as threads:
        claimed = [job_id for got in threads.map(claim, range(4)) for job_id in got]

    assert sorted(claimed) == sorted(job_ids)


def test_a_lease_is_renewed_even_past_its_end_while_the_attempt_runs(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.clock.move(timedelta(minutes=5))

    assert renew_leases(world.conn, [(job_id, 1)], lease=LEASE, clock=world.clock) == {
        job_id: False
    }
    assert world.job(job_id).lease_until == world.clock.now() + LEASE
    assert world.job(job_id).version == 3


def test_a_renewal_is_refused_for_what_runs_no_more_or_under_another_attempt(
    world: World,
) -> None:
    kept, other, ended = world.running(world.account(), 3)
    world.end(success(ended))

    assert renew_leases(
        world.conn, [(kept, 1), (other, 2), (ended, 1)], lease=LEASE, clock=world.clock
    ) == {kept: False}
