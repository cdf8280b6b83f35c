"""Two paths to one job: the store's event, and the listing that finds what events were lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.kafka import BrokerUnavailableError, Message
from infra.object_store import S3ObjectStore, from_settings
from infra.stored_objects import StoreUnavailable
from schemas import topics
from schemas.events import Event, JobRequested
from schemas.ids import JobId
from streams.admission import Admission
from streams.intake import Intake
from streams.reconciler import MAX_LAG, PassSchedule, Reconciler
from streams.stage import UnreadableMessageError
from streams.uploads import Announcer
from tests.integration.streams.streams_world import LIFETIME, World, png

if TYPE_CHECKING:
    from infra.kafka import KafkaPythonProducer
    from infra.settings import Settings
    from infra.stack.isolation import Bucket
    from infra.topic_reader import TopicReader

NUL_IN_KEY = (
    b'{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"uploads"},'
    b'"object":{"key":"in/acc_1/identity/a%00b.png","eTag":"e"}}}]}'
)


@pytest.fixture
def store(settings: Settings) -> Iterator[S3ObjectStore]:
    store = from_settings(settings)
    yield store
    store.close()


@pytest.fixture
def announcer(world: World, store: S3ObjectStore, producer: KafkaPythonProducer) -> Announcer:
    return Announcer(world.pool, store, producer, world.clock, mask_wait=timedelta(hours=24))


@pytest.fixture
def intake(announcer: Announcer, world: World, store: S3ObjectStore) -> Intake:
    return Intake(announcer, world.clock, bucket=store.bucket)


def reconciler(
    world: World,
    store: S3ObjectStore,
    announcer: Announcer,
    *,
    ping: Callable[[], None] = lambda: None,
    lag: int = 0,
) -> Reconciler:
    schedule = PassSchedule(timedelta(seconds=60))
    return Reconciler(store, announcer, world.clock, schedule, ping=ping, lag=lambda: lag)


def announced(reader: TopicReader, store: S3ObjectStore, count: int) -> list[Message]:
    """Return the store's own messages about this test's bucket, once there are so many."""
    prefix = f"/buckets/{store.bucket}/in/".encode()
    deadline = time.monotonic() + 20
    while True:
        found = [m for m in reader.read(topics.OBJECT_EVENTS) if (m.key or b"").startswith(prefix)]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {count} events came"


def requested(reader: TopicReader, store: S3ObjectStore) -> list[JobRequested]:
    mine = f'"bucket":"{store.bucket}"'.encode()
    return [
        Event[JobRequested].decode(message.value).data
        for message in reader.read(topics.JOB_REQUESTS)
        if mine in message.value
    ]


def step(reconciler: Reconciler, world: World) -> None:
    with psycopg.connect(world.database.app_url, autocommit=True) as conn:
        reconciler.step(conn)


def test_the_event_and_the_listing_of_an_object_ask_for_one_and_the_same_job(
    world: World,
    store: S3ObjectStore,
    announcer: Announcer,
    intake: Intake,
    reader: TopicReader,
) -> None:
    account = world.account()
    keys = [f"in/{account}/identity/{name}" for name in ("a b+%.png", "照片/小猫.png", "c.png")]
    for key in keys:
        store.put(key, png(), "image/png")
    messages = announced(reader, store, 3)

    intake.step([intake.decode(message) for message in messages])
    world.clock.turn(seconds=10)
    assert reconciler(world, store, announcer).take_pass() == 3

    found = requested(reader, store)
    jobs: dict[str, set[JobId]] = {key: set() for key in keys}
    for request in found:
        jobs[request.key].add(request.job_id)
    assert len(found) == 6
    assert [len(each) for each in jobs.values()] == [1, 1, 1]
    assert {request.found_by for request in found} == {"event", "reconciler"}

    admission = Admission(world.pool, world.clock, LIFETIME)
    admission.step(found)
    admission.step(found[::-1])
    assert world.count("jobs") == 3
    assert reconciler(world, store, announcer).take_pass() == 0


def test_messages_about_other_buckets_and_prefixes_ask_for_nothing(
    world: World, store: S3ObjectStore, announcer: Announcer, intake: Intake, reader: TopicReader
) -> None:
    store.put("in/acc_1/identity/a.png", png(), "image/png")
    store.put("staged/acc_1/upl_1", png(), "image/png")
    store.put("out/acc_1/identity/a.png", png(), "image/png")
    elsewhere = Intake(announcer, world.clock, bucket="another-bucket")
    prefix = f"/buckets/{store.bucket}/".encode()
    announced(reader, store, 1)
    mine = [m for m in reader.read(topics.OBJECT_EVENTS) if (m.key or b"").startswith(prefix)]
    assert len(mine) >= 3

    elsewhere.step([elsewhere.decode(message) for message in mine])
    assert requested(reader, store) == []
    intake.step([intake.decode(message) for message in mine])
    assert [request.key for request in requested(reader, store)] == ["in/acc_1/identity/a.png"]


def test_objects_younger_than_five_seconds_are_left_to_their_events(
    world: World, store: S3ObjectStore, announcer: Announcer
) -> None:
    store.put("in/acc_1/identity/a.png", png(), "image/png")
    assert reconciler(world, store, announcer).take_pass() == 0
    world.clock.turn(seconds=10)
    assert reconciler(world, store, announcer).take_pass() == 1


def test_a_pass_pairs_pictures_with_masks_that_it_lists(
    world: World, store: S3ObjectStore, announcer: Announcer, reader: TopicReader
) -> None:
    for key in ("in/acc_1/inpaint/a.png", "in/acc_1/inpaint/a.png.mask.png"):
        store.put(key, png(), "image/png")
    world.clock.turn(seconds=10)
    assert reconciler(world, store, announcer).take_pass() == 1
    (request,) = requested(reader, store)
    assert request.mask is not None


def test_no_pass_is_taken_while_intake_and_admission_are_far_behind_or_the_broker_is_away(
    world: World, store: S3ObjectStore, announcer: Announcer, reader: TopicReader
) -> None:
    def away() -> None:
        raise BrokerUnavailableError("away")

    store.put("in/acc_1/identity/a.png", png(), "image/png")
    world.clock.turn(seconds=10)
    step(reconciler(world, store, announcer, lag=MAX_LAG + 1), world)
    step(reconciler(world, store, announcer, ping=away), world)
    assert requested(reader, store) == []
    step(reconciler(world, store, announcer, lag=MAX_LAG), world)
    assert len(requested(reader, store)) == 1


def test_a_pass_that_the_store_cut_short_is_taken_again_at_once(
    world: World,
    settings: Settings,
    bucket: Bucket,
    producer: KafkaPythonProducer,
    reader: TopicReader,
) -> None:
    late = f"{bucket.name}-late"
    with closing(from_settings(settings.model_copy(update={"bucket": late}))) as store:
        task = reconciler(
            world,
            store,
            Announcer(world.pool, store, producer, world.clock, mask_wait=timedelta(hours=24)),
        )
        with pytest.raises(StoreUnavailable):
            step(task, world)
        bucket.client.make_bucket(late)
        store.put("in/acc_1/identity/a.png", png(), "image/png")
        world.clock.turn(seconds=6)
        step(task, world)
        assert len(requested(reader, store)) == 1


@pytest.mark.parametrize(
    "value",
    [
        b"garbage",
        b"",
        b"{}",
        b'{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        NUL_IN_KEY,
    ],
)
def test_a_message_that_announces_nothing_intelligible_is_unreadable(
    intake: Intake, value: bytes
) -> None:
    with pytest.raises(UnreadableMessageError):
        intake.decode(Message(topics.OBJECT_EVENTS, b"k", value))
