"""What the streams process tells of the whole system at a scrape, on real servers."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from psycopg_pool import ConnectionPool

from domain.admission import restrictions
from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Step
from domain.billing.service import open_holds
from domain.jobs import workers
from infra.clock import SystemClock
from infra.kafka import KafkaPythonConsumer, KafkaPythonProducer, Message
from infra.kafka_lag import Group, LagReader
from infra.postgres import open_pool
from infra.stack.isolation import Broker, Database
from schemas.operations import OperationName
from streams.scraped import Scraped
from tests.integration.streams.streams_world import TurnedClock, World

pytestmark = pytest.mark.timed

NOWHERE = "127.0.0.1:1"
IDENTITY = OperationName.IDENTITY
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    pool = open_pool(database.app_url, size=4, name="test")
    yield World(database, pool, TurnedClock())
    pool.close()


def scraped_of(world: World, kafka: Broker, folder: Path) -> Scraped:
    return Scraped(
        world.pool, kafka.bootstrap, world.clock, data_dir=folder, least_caps={IDENTITY: 4}
    )


def samples(scraped: Scraped) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in scraped.collect()
        for sample in family.samples
    }


def of_state(found: Samples, name: str, state: str) -> float:
    return found[name, (("state", state),)]


def of_operation(found: Samples, name: str, operation: str = "identity") -> float:
    return found[name, (("operation", operation),)]


def restricted(found: Samples, kind: str, step: str) -> float:
    return found["picmend_restricted", (("kind", kind), ("step", step))]


def errors(source: str) -> float:
    return REGISTRY.get_sample_value("picmend_scrape_errors_total", {"source": source}) or 0.0


def test_jobs_are_told_by_state_with_the_age_of_the_oldest(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    account = world.account()
    world.queue(account, 3)
    world.clock.turn(seconds=40)
    world.dispatch(cap=2)
    world.clock.turn(seconds=20)

    found = samples(scraped_of(world, kafka, tmp_path))

    assert of_state(found, "picmend_jobs", "queued") == 1
    assert of_state(found, "picmend_jobs", "dispatched") == 2
    assert of_state(found, "picmend_jobs", "running") == 0
    assert of_state(found, "picmend_oldest_job_seconds", "queued") == pytest.approx(60)
    assert of_state(found, "picmend_oldest_job_seconds", "dispatched") == pytest.approx(20)
    assert found["picmend_oldest_unended_job_seconds", ()] == pytest.approx(60)
    # Per job one event that it is queued, and for two that they are dispatched, and their work.
    assert found["picmend_outbox_messages", ()] == 3 + 2 + 2
    assert found["picmend_outbox_oldest_seconds", ()] == pytest.approx(60)
    assert found["picmend_ledger_sum", ()] == 0
    assert found["picmend_data_free_bytes", ()] > 0


def test_what_is_with_the_workers_is_told_beside_what_they_have_room_for(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    full, free = world.account(), world.account()
    with world.pool.connection() as conn:
        conn.execute("UPDATE accounts SET plan = 'free' WHERE id = %s", (full,))
        workers.beat(conn, "one", {IDENTITY: 16, OperationName.UPSCALE: 1}, world.clock.now())
        workers.beat(conn, "two", {IDENTITY: 16}, world.clock.now())
        workers.beat(conn, "dead", {IDENTITY: 16}, world.clock.now() - timedelta(minutes=1))
    world.queue(full, 3)
    world.queue(free, 3)
    world.dispatch()

    found = samples(scraped_of(world, kafka, tmp_path))

    assert of_operation(found, "picmend_worker_slots") == 32
    assert of_operation(found, "picmend_jobs_in_flight_cap") == 64
    assert of_operation(found, "picmend_jobs_in_flight_cap", "upscale") == 2
    # The one account's plan lets it have two.
    assert of_operation(found, "picmend_jobs_in_flight") == 2 + 3
    assert of_operation(found, "picmend_full_accounts") == 1
    for name in ("worker_slots", "jobs_in_flight", "jobs_in_flight_cap", "full_accounts"):
        assert of_operation(found, f"picmend_{name}", "scratches") == 0


def test_without_workers_the_caps_are_those_of_the_dispatcher(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    found = samples(scraped_of(world, kafka, tmp_path))

    assert of_operation(found, "picmend_worker_slots") == 0
    assert of_operation(found, "picmend_jobs_in_flight_cap") == 4


def test_what_is_in_force_is_counted_by_step_until_it_is_over(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    slow, suspended = world.account(), world.account()
    world.suspend(suspended)

    def restrain(subject: Subject, step: Step, minutes: int) -> None:
        with world.pool.connection() as conn:
            restrictions.restrict(
                conn,
                subject,
                step,
                finding_id=None,
                reason="test",
                by="test",
                since=world.clock.now(),
                until=world.clock.now() + timedelta(minutes=minutes),
            )

    account = Subject(SubjectKind.ACCOUNT, slow)
    restrain(account, Step.SLOW_DOWN, 1)
    restrain(account, Step.SLOW_DOWN, 3)
    restrain(account, Step.REVIEW, 1)
    restrain(Subject(SubjectKind.NETWORK, "192.0.2.0/24"), Step.SLOW_DOWN, 3)
    found = samples(scraped_of(world, kafka, tmp_path))
    world.clock.turn(minutes=2)
    later = samples(scraped_of(world, kafka, tmp_path))

    assert [restricted(each, "account", "slow_down") for each in (found, later)] == [1, 1]
    assert [restricted(each, "account", "review") for each in (found, later)] == [1, 0]
    assert restricted(found, "network", "slow_down") == 1
    assert restricted(found, "account", "suspend_operation") == 0
    assert found["picmend_suspended_accounts", ()] == 1


def test_a_hold_counts_as_stale_a_minute_after_the_end_of_its_job(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    job = world.run(world.account())
    with world.pool.connection() as conn:
        conn.execute(
            "UPDATE jobs SET state = 'failed', code = 'processing_failed', ended_at = %s,"
            " lease_until = NULL WHERE id = %s",
            (world.clock.now(), job),
        )
        assert open_holds(conn) == {job}

    def stale() -> float:
        scraped = scraped_of(world, kafka, tmp_path)
        return samples(scraped)["picmend_stale_holds", ()]

    world.clock.turn(seconds=59)
    assert stale() == 0
    world.clock.turn(seconds=2)
    assert stale() == 1


def test_lag_in_seconds_is_the_age_of_the_oldest_message_that_is_not_committed(
    kafka: Broker,
) -> None:
    topic = kafka.new_topic()
    group = Group(f"group-{secrets.token_hex(4)}", (topic,))
    producer = KafkaPythonProducer(kafka.bootstrap, client_id="test")
    consumer = KafkaPythonConsumer(kafka.bootstrap, [topic], group=group.name, client_id="test")
    reader = LagReader(kafka.bootstrap)
    try:
        (nothing,) = reader.read(group, ages=True)
        assert (nothing.lag, nothing.oldest_ms) == (0, None)

        producer.send_all([Message(topic, b"key", b"first")])
        threading.Event().wait(0.05)
        producer.send_all([Message(topic, b"key", b"second"), Message(topic, b"other", b"third")])
        read: list[Message] = []
        deadline = time.monotonic() + 30
        while len(read) < 3 and time.monotonic() < deadline:
            read += consumer.poll(0.2)
        by_body = {message.value: message for message in read}

        (all_ahead,) = reader.read(group, ages=True)
        assert (all_ahead.lag, all_ahead.oldest_ms) == (3, by_body[b"first"].timestamp_ms)

        consumer.commit([by_body[b"first"]])
        (one_done,) = reader.read(group, ages=True)
        rest = min(by_body[name].timestamp_ms for name in (b"second", b"third"))
        assert (one_done.lag, one_done.oldest_ms) == (2, rest)
        assert rest > by_body[b"first"].timestamp_ms

        # The group has not been disturbed: it goes on and commits as its only member.
        consumer.commit([by_body[b"second"], by_body[b"third"]])
        (done,) = reader.read(group, ages=True)
        assert (done.lag, done.oldest_ms) == (0, None)
    finally:
        reader.close()
        consumer.close()
        producer.close()


def test_a_scrape_answers_without_the_servers_and_counts_what_it_had_to_do_without(
    tmp_path: Path,
) -> None:
    pool = ConnectionPool("postgresql://nobody@127.0.0.1:1/none", open=False)
    scraped = Scraped(pool, NOWHERE, SystemClock(), data_dir=tmp_path, least_caps={})
    before = {source: errors(source) for source in ("database", "ledger", "kafka")}

    begun = time.monotonic()
    found = samples(scraped)

    assert time.monotonic() - begun < 2
    assert {name for name, _ in found} == {"picmend_data_free_bytes"}
    assert {source: errors(source) - count for source, count in before.items()} == {
        "database": 1,
        "ledger": 1,
        "kafka": 1,
    }


def test_a_server_is_asked_once_however_often_is_scraped_within_a_few_seconds(
    world: World, kafka: Broker, tmp_path: Path
) -> None:
    scraped = scraped_of(world, kafka, tmp_path)
    assert of_state(samples(scraped), "picmend_jobs", "queued") == 0
    world.queue(world.account(), 2)

    assert of_state(samples(scraped), "picmend_jobs", "queued") == 0
