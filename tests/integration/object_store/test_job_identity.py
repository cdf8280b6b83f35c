"""One upload is one job, whether its event, a HEAD or a listing tells of it."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from minio.commonconfig import CopySource
from minio.versioningconfig import VersioningConfig

from infra.object_events import ObjectCreated, decode
from infra.object_store import PART_BYTES, ObjectMissing, S3ObjectStore, from_settings
from infra.stack import Stack
from infra.stack.isolation import Broker, Bucket
from schemas.ids import JobId, object_job_id

TOPIC = "object-events"
PNG = "image/png"
KEYS = [
    "in/acc_1/x4/plain.png",
    "in/acc_1/x4/summer 2026/a b.png",
    "in/acc_1/x4/a+b.png",
    "in/acc_1/x4/100%.png",
    "in/acc_1/x4/a%2Fb%20c.png",
    "in/acc_1/x4/照片/小猫.jpg",
]


class Announced:
    """The object events that come in from now on, for one bucket."""

    def __init__(self, bootstrap: str, bucket: str) -> None:
        self._bucket = bucket
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap)
        partitions = self._consumer.partitions_for_topic(TOPIC)
        self._consumer.assign([TopicPartition(TOPIC, each) for each in partitions])
        self._consumer.seek_to_end()
        for each in self._consumer.assignment():
            self._consumer.position(each)

    def next(self, key: str, *, within_s: float = 15) -> ObjectCreated:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for messages in self._consumer.poll(200).values():
                for message in messages:
                    for created in decode(message.key, message.value):
                        if (created.bucket, created.key) == (self._bucket, key):
                            return created
        raise AssertionError(f"no event of {key!r} within {within_s} s")

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def announced(kafka: Broker, bucket: Bucket) -> Iterator[Announced]:
    announced = Announced(kafka.bootstrap, bucket.name)
    yield announced
    announced.close()


@pytest.fixture
def store(stack: Stack, bucket: Bucket) -> Iterator[S3ObjectStore]:
    store = from_settings(stack.settings().model_copy(update={"bucket": bucket.name}))
    yield store
    store.close()


def job_ids(store: S3ObjectStore, event: ObjectCreated, key: str) -> set[JobId]:
    head = store.head(key)
    (listed,) = (each for page in store.list("in/") for each in page if each.key == key)
    assert event.size == head.size == listed.size
    return {
        object_job_id(event.bucket, event.key, event.etag),
        object_job_id(store.bucket, head.key, head.etag),
        object_job_id(store.bucket, listed.key, listed.etag),
    }


@pytest.mark.parametrize("key", KEYS)
def test_an_object_put_at_once_is_one_job(
    store: S3ObjectStore, announced: Announced, key: str
) -> None:
    store.put(key, uuid.uuid4().bytes, PNG)
    assert len(job_ids(store, announced.next(key), key)) == 1


@pytest.mark.parametrize("key", [KEYS[0], KEYS[3], KEYS[5]])
def test_an_object_put_in_parts_is_one_job(
    store: S3ObjectStore, announced: Announced, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(uuid.uuid4().bytes + bytes(PART_BYTES))
    etag = store.put_file(key, file, PNG)
    event = announced.next(key)
    assert event.etag == etag
    assert etag.endswith("-2")
    assert len(job_ids(store, event, key)) == 1


@pytest.mark.parametrize("key", KEYS)
def test_each_version_of_an_object_is_one_job_of_its_own(
    store: S3ObjectStore, announced: Announced, bucket: Bucket, key: str
) -> None:
    bucket.client.set_bucket_versioning(bucket.name, VersioningConfig("Enabled"))
    seen: set[JobId] = set()
    for _ in range(2):
        store.put(key, uuid.uuid4().bytes, PNG)
        event = announced.next(key)
        assert event.version_id == store.head(key).version_id is not None
        ids = job_ids(store, event, key)
        assert len(ids) == 1
        seen |= ids
        data = store.get(key, max_bytes=99, if_match=event.etag, version_id=event.version_id)
        assert len(data) == event.size
    assert len(seen) == 2


def test_an_object_put_in_parts_into_a_versioned_bucket_is_one_job(
    store: S3ObjectStore, announced: Announced, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.client.set_bucket_versioning(bucket.name, VersioningConfig("Enabled"))
    file = tmp_path / "file"
    file.write_bytes(uuid.uuid4().bytes + bytes(PART_BYTES))
    store.put_file(KEYS[5], file, PNG)
    event = announced.next(KEYS[5])
    assert event.version_id is not None
    assert len(job_ids(store, event, KEYS[5])) == 1


def test_an_object_put_while_versions_are_suspended_is_one_job(
    store: S3ObjectStore, announced: Announced, bucket: Bucket
) -> None:
    bucket.client.set_bucket_versioning(bucket.name, VersioningConfig("Enabled"))
    store.put(KEYS[0], uuid.uuid4().bytes, PNG)
    announced.next(KEYS[0])
    bucket.client.set_bucket_versioning(bucket.name, VersioningConfig("Suspended"))
    store.put(KEYS[0], uuid.uuid4().bytes, PNG)
    event = announced.next(KEYS[0])
    assert event.version_id is None
    assert len(job_ids(store, event, KEYS[0])) == 1


def test_a_folder_named_like_one_of_versions_confuses_listings_alone(
    store: S3ObjectStore, announced: Announced
) -> None:
    key = "in/acc_1/x4/cat.png.versions/v_1"
    store.put(key, uuid.uuid4().bytes, PNG)
    event, head = announced.next(key), store.head(key)
    assert (event.key, event.etag, event.version_id) == (key, head.etag, None)
    # SeaweedFS takes the folder for the versions of cat.png, and lists that.
    assert key not in [each.key for page in store.list("in/") for each in page]
    with pytest.raises(ObjectMissing):
        store.head("in/acc_1/x4/cat.png")


def test_the_same_bytes_under_the_same_key_are_the_same_job(store: S3ObjectStore) -> None:
    first = object_job_id(store.bucket, KEYS[0], store.put(KEYS[0], b"same", PNG))
    store.delete(KEYS[0])
    assert object_job_id(store.bucket, KEYS[0], store.put(KEYS[0], b"same", PNG)) == first


def test_a_copied_object_is_announced_as_a_job_of_its_own(
    store: S3ObjectStore, announced: Announced, bucket: Bucket
) -> None:
    store.put(KEYS[0], uuid.uuid4().bytes, PNG)
    copy = "in/acc_1/x4/copy 照.png"
    bucket.client.copy_object(bucket.name, copy, CopySource(bucket.name, KEYS[0]))
    assert len(job_ids(store, announced.next(copy), copy)) == 1
