"""Claims, leases, slots and offsets: what a worker takes, lets go of and leaves to others."""

import secrets
from datetime import timedelta

from domain.pipeline.cancel import cancel
from domain.pipeline.sweep import sweep_leases
from infra.kafka import Message
from schemas import topics
from schemas.ids import AccountId, JobId
from schemas.operations import OperationName
from schemas.states import Actor, JobState
from tests.integration.worker.worker_world import Running, WorkerWorld, open_consumer, png

IDENTITY = OperationName.IDENTITY


def at_the_gate(world: WorkerWorld, account: AccountId, count: int = 1) -> list[JobId]:
    """Hand out so many identity jobs, whose bytes will wait at the gate."""
    world.store.gate.clear()
    return world.hand_out(*(world.upload(account, png()) for _ in range(count)))


def until_fetched(world: WorkerWorld, running: Running, count: int = 1) -> None:
    running.until(lambda: world.store.inside == count)


def letter(world: WorkerWorld, running: Running, part: bytes) -> Message:
    """Turn the worker until there is a dead letter of identity that has this in it."""
    dlq = topics.dlq(topics.work(IDENTITY))
    reader = open_consumer(world.settings, [dlq], group=f"{world.reader}-dlq")
    world.closing.callback(reader.close)
    found: list[Message] = []

    def came() -> bool:
        found.extend(each for each in reader.poll(0.2) if part in each.value)
        return bool(found)

    running.until(came)
    return found[0]


def test_a_refused_claim_is_skipped_and_its_message_is_done(
    world: WorkerWorld, account: AccountId
) -> None:
    barred = world.jobs.account()
    kept, started = world.hand_out(world.upload(barred, png()), world.upload(account, png()))
    world.jobs.suspend(barred)
    running = world.start()

    running.until(lambda: world.jobs.job(started).state is JobState.RUNNING)
    running.until(lambda: world.lag() == 0)
    assert running.worker.drain(60)

    assert world.jobs.job(kept).state is JobState.DISPATCHED
    assert [report.job_id for report in world.reports(kept, started)] == [started]


def test_work_that_is_delivered_twice_runs_once(world: WorkerWorld, account: AccountId) -> None:
    upload = world.upload(account, png())
    world.jobs.decide(upload)
    world.jobs.dispatch()
    (message,) = world.jobs.messages(topics.work(IDENTITY))
    twice = Message(message.topic, message.key.encode(), message.body)
    world.producer.send_all([twice, twice])
    running = world.start()

    running.until(lambda: world.jobs.job(upload.job_id).state is JobState.RUNNING)
    running.until(lambda: world.lag() == 0)
    assert running.worker.drain(60)

    assert len(world.reports(upload.job_id)) == 1


def test_garbage_on_a_work_topic_is_kept_with_its_reason_and_the_work_behind_it_goes_on(
    world: WorkerWorld, account: AccountId
) -> None:
    garbage = b"garbage \x00\xff " + secrets.token_bytes(8)
    topic = topics.work(IDENTITY)
    world.producer.send_all([Message(topic, b"k", garbage)])
    (job_id,) = world.hand_out(world.upload(account, png()))
    running = world.start()

    running.until(lambda: world.jobs.job(job_id).state is JobState.RUNNING)
    running.until(lambda: world.lag() == 0)

    headers = dict(letter(world, running, garbage).headers)
    assert (headers["reason"], headers["topic"]) == (b"unreadable", topic.encode())
    assert headers["error"]
    assert running.worker.drain(60)


def test_a_job_whose_parameters_only_a_newer_version_knows_is_left_to_it_and_holds_up_no_other(
    world: WorkerWorld, account: AccountId
) -> None:
    newer, known = world.upload(account, png()), world.upload(account, png())
    world.jobs.decide(newer, known)
    world.jobs.dispatch()
    world.jobs.conn.execute(
        "UPDATE jobs SET parameters = %s WHERE id = %s", ('{"sharper": 2}', newer.job_id)
    )
    world.relay()
    running = world.start()

    running.until(lambda: bool(world.reports(known.job_id)))
    running.until(lambda: world.lag() == 0)

    state = world.jobs.conn.execute("SELECT state FROM jobs WHERE id = %s", (newer.job_id,))
    assert state.fetchone() == ("dispatched",)
    headers = dict(letter(world, running, newer.job_id.encode()).headers)
    assert headers["reason"] == b"newer"
    assert b"sharper" in headers["error"]
    assert running.worker.drain(60)


def test_a_lease_that_is_lost_stores_and_reports_nothing(
    world: WorkerWorld, account: AccountId
) -> None:
    (job_id,) = at_the_gate(world, account)
    running = world.start()
    until_fetched(world, running)
    world.jobs.clock.move(timedelta(minutes=1))
    sweep_leases(world.jobs.conn, clock=world.jobs.clock)
    world.jobs.conn.commit()

    running.leases.renew_all()
    world.store.gate.set()

    assert running.worker.drain(60)
    assert world.store.results() == {}
    assert world.reports(job_id) == []
    assert world.jobs.job(job_id).state is JobState.QUEUED


def test_the_next_attempt_of_a_lost_job_runs_beside_the_old_one_and_alone_counts(
    world: WorkerWorld, account: AccountId
) -> None:
    (job_id,) = at_the_gate(world, account)
    running = world.start()
    until_fetched(world, running)
    world.jobs.clock.move(timedelta(minutes=1))
    sweep_leases(world.jobs.conn, clock=world.jobs.clock)
    world.jobs.dispatch()
    world.relay()
    until_fetched(world, running, 2)

    running.leases.renew_all()
    world.store.gate.set()
    assert running.worker.drain(60)

    reports = world.reports(job_id)
    assert [report.outcome for report in reports if report.attempt == 2] == ["succeeded"]
    assert len(world.store.results()) == 1


def test_a_job_that_is_asked_to_stop_stops_and_says_so(
    world: WorkerWorld, account: AccountId
) -> None:
    (job_id,) = at_the_gate(world, account)
    running = world.start()
    until_fetched(world, running)
    cancel(world.jobs.conn, job_id, by=Actor.CLIENT, clock=world.jobs.clock)
    world.jobs.conn.commit()

    running.leases.renew_all()
    world.store.gate.set()

    assert running.worker.drain(60)
    (report,) = world.reports(job_id)
    assert (report.outcome, report.code) == ("cancelled", "job_cancelled")
    assert world.store.results() == {}


def test_never_more_run_than_there_are_slots_and_the_rest_waits_uncommitted(
    world: WorkerWorld, account: AccountId
) -> None:
    job_ids = at_the_gate(world, account, 5)
    running = world.start()
    until_fetched(world, running, 2)
    for _ in range(5):
        running.worker.step()

    assert sorted(world.jobs.states(*job_ids)) == ["dispatched"] * 3 + ["running"] * 2
    assert world.lag() == 3
    assert world.reports(*job_ids) == []

    world.store.gate.set()
    running.until(lambda: "dispatched" not in world.jobs.states(*job_ids))
    running.until(lambda: world.lag() == 0)
    assert running.worker.drain(60)
    assert sorted(report.job_id for report in world.reports(*job_ids)) == sorted(job_ids)
    assert world.store.most_inside == 2


def test_an_operation_whose_slots_are_full_holds_up_no_other(
    world: WorkerWorld, account: AccountId
) -> None:
    at_the_gate(world, account, 3)
    running = world.start()
    until_fetched(world, running, 2)
    (inpaint,) = world.hand_out(world.upload(account, png(), preset="inpaint", mask=png()))

    until_fetched(world, running, 3)

    assert world.jobs.job(inpaint).state is JobState.RUNNING
    assert world.lag(OperationName.INPAINT) == 0
    world.store.gate.set()
    assert running.worker.drain(60)


def test_what_a_worker_left_uncommitted_is_run_by_the_next(
    world: WorkerWorld, account: AccountId
) -> None:
    job_ids = at_the_gate(world, account, 5)
    first = world.start("w-1")
    until_fetched(world, first, 2)
    first.consumer.close()
    world.store.gate.set()
    assert first.worker.drain(60)
    taken = {id_ for id_ in job_ids if world.jobs.job(id_).state is JobState.RUNNING}
    assert len(taken) == 2

    second = world.start("w-2")
    second.until(lambda: "dispatched" not in world.jobs.states(*job_ids))
    assert second.worker.drain(60)

    reports = world.reports(*job_ids)
    assert {report.job_id for report in reports if report.worker == "w-1"} == taken
    assert len(reports) == 5


def test_a_drain_waits_for_what_runs_and_takes_no_more(
    world: WorkerWorld, account: AccountId
) -> None:
    job_ids = at_the_gate(world, account, 4)
    running = world.start()
    until_fetched(world, running, 2)

    assert not running.worker.drain(0.2)
    world.store.gate.set()
    assert running.worker.drain(60)

    assert sorted(world.jobs.states(*job_ids)) == ["dispatched"] * 2 + ["running"] * 2
    assert len(world.reports(*job_ids)) == 2


def test_a_stopping_worker_gives_back_what_still_runs_and_that_counts_for_nothing(
    world: WorkerWorld, account: AccountId
) -> None:
    (job_id,) = at_the_gate(world, account)
    first = world.start("w-1")
    until_fetched(world, first)
    assert not first.worker.drain(0)

    first.leases.hand_back_all()

    job = world.jobs.job(job_id)
    assert (job.state, job.lease_losses, job.worker) == (JobState.QUEUED, 0, None)
    assert world.jobs.told()[-1].by is Actor.WORKER
    world.store.gate.set()
    assert first.worker.drain(60)
    assert world.store.results() == {}
    first.consumer.close()
    world.hand_out()
    second = world.start("w-2")
    second.until(lambda: bool(world.reports(job_id)))
    assert [(report.worker, report.attempt) for report in world.reports(job_id)] == [("w-2", 2)]
    world.jobs.assert_sound()


def test_a_job_that_is_asked_to_stop_is_not_given_back(
    world: WorkerWorld, account: AccountId
) -> None:
    (job_id,) = at_the_gate(world, account)
    running = world.start()
    until_fetched(world, running)
    cancel(world.jobs.conn, job_id, by=Actor.CLIENT, clock=world.jobs.clock)
    world.jobs.conn.commit()

    running.leases.hand_back_all()

    assert world.jobs.job(job_id).state is JobState.RUNNING
    world.store.gate.set()
    assert running.worker.drain(60)
