"""From objects in the store to requested jobs: headers, masks, and what is known already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from infra.object_store import S3ObjectStore
from infra.postgres import Pool
from infra.stored_objects import StoreUnavailable
from schemas import ids, keys, topics
from schemas.errors import ErrorCode
from schemas.events import Event, HeaderFacts, JobRequested
from schemas.operations import ImageFormat
from streams.admission import Admission
from streams.uploads import ATTEMPTS, Announcer, Upload, upload_of
from tests.integration.streams.streams_world import LIFETIME, World, png

if TYPE_CHECKING:
    from infra.kafka import KafkaPythonProducer
    from infra.settings import Settings
    from infra.topic_reader import TopicReader

MASK_WAIT = timedelta(hours=24)


class WatchedStore(S3ObjectStore):
    """The real store; counts reads, and does not give what is named in `broken`."""

    broken: frozenset[str] = frozenset()
    reads = 0

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        self.reads += 1
        if key in self.broken:
            raise StoreUnavailable(f"{key}: 500")
        return super().get_range(key, start, end, if_match=if_match, version_id=version_id)


class CountingCursor(psycopg.Cursor[tuple[object, ...]]):
    """Counts the statements of this process."""

    count = 0

    def execute(self, *args: object, **options: object) -> CountingCursor:
        CountingCursor.count += 1
        return cast("CountingCursor", super().execute(*args, **options))  # type: ignore[call-overload]  # handed on


def open_store(settings: Settings, **changes: str) -> WatchedStore:
    return WatchedStore(
        endpoint=changes.get("endpoint", settings.s3_endpoint),
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        bucket=settings.bucket,
        region=settings.s3_region,
        connections=32,
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[WatchedStore]:
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def announcer(world: World, store: WatchedStore, producer: KafkaPythonProducer) -> Announcer:
    return announcer_of(world, world.pool, store, producer)


def announcer_of(
    world: World, pool: Pool, store: WatchedStore, producer: KafkaPythonProducer
) -> Announcer:
    return Announcer(pool, store, producer, world.clock, mask_wait=MASK_WAIT)


def put(store: WatchedStore, key: str, data: bytes | None = None) -> Upload:
    """Put an object, and return it as its event would tell of it."""
    data = png() if data is None else data
    etag = store.put(key, data, "image/png")
    upload = upload_of(key, etag=etag, version_id=None, size=len(data), at=datetime.now(UTC))
    assert upload is not None
    return upload


def announce(announcer: Announcer, *uploads: Upload) -> int:
    return announcer.announce(uploads, found_by="event")


def requests(reader: TopicReader, store: WatchedStore) -> dict[str, JobRequested]:
    """Return what was asked for in this test's bucket, by key of the object."""
    found = sent(reader, store)
    assert len({request.key for request in found}) == len(found)
    return {request.key: request for request in found}


def sent(reader: TopicReader, store: WatchedStore) -> Sequence[JobRequested]:
    mine = f'"bucket":"{store.bucket}"'.encode()
    return [
        Event[JobRequested].decode(message.value).data
        for message in reader.read(topics.JOB_REQUESTS)
        if mine in message.value
    ]


def test_a_request_carries_what_the_header_says_and_the_job_id_of_the_object(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    upload = put(store, "in/acc_1/identity/照片 a+b%.png", png(31, 17, mode="RGBA"))

    assert announce(announcer, upload) == 1

    (request,) = requests(reader, store).values()
    assert request.header == HeaderFacts(
        format=ImageFormat.PNG, width=31, height=17, has_alpha=True
    )
    assert request.problem is None
    assert request.job_id == ids.object_job_id(store.bucket, upload.key, upload.etag)
    assert (request.account_id, request.preset) == ("acc_1", "identity")
    assert (request.etag, request.size) == (upload.etag, upload.size)


def test_each_object_that_cannot_be_read_says_why(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    deleted = put(store, "in/acc_1/identity/deleted.png")
    store.delete(deleted.key)
    overwritten = put(store, "in/acc_1/identity/overwritten.png")
    store.put(overwritten.key, png(9, 9), "image/png")
    uploads = [
        deleted,
        overwritten,
        put(store, "in/acc_1/identity/text.png", b"no picture at all"),
        put(store, "in/acc_1/identity/empty.png", b""),
        put(store, "in/acc_1/identity/cut.png", png()[:12]),
        put(store, "in/acc_1/identity/a.ico", b"\0\0\1\0" + bytes(20)),
        put(store, "in/acc_1/identity/fine.png"),
    ]

    assert announce(announcer, *uploads) == 7

    found = requests(reader, store)
    codes = {key.rpartition("/")[2]: r.problem and r.problem.code for key, r in found.items()}
    assert codes == {
        "deleted.png": ErrorCode.SOURCE_CHANGED,
        "overwritten.png": ErrorCode.SOURCE_CHANGED,
        "text.png": ErrorCode.UNREADABLE_IMAGE,
        "empty.png": ErrorCode.EMPTY_OBJECT,
        "cut.png": ErrorCode.TRUNCATED_IMAGE,
        "a.ico": ErrorCode.UNSUPPORTED_FORMAT,
        "fine.png": None,
    }
    assert [r.header is None for r in found.values()].count(True) == 6


def test_a_malformed_key_is_asked_for_with_its_reason_and_never_read(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    announce(announcer, put(store, "in/acc_1/alone.png"))
    (request,) = requests(reader, store).values()
    assert request.problem is not None
    assert request.problem.code is ErrorCode.MALFORMED_KEY
    assert store.reads == 0


def test_an_object_that_alone_cannot_be_read_is_given_up_and_the_others_are_asked_for(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    bad = put(store, "in/acc_1/identity/bad.png")
    good = put(store, "in/acc_1/identity/good.png")
    store.broken = frozenset({bad.key})

    announce(announcer, bad, good)

    found = requests(reader, store)
    assert found[good.key].header is not None
    problem = found[bad.key].problem
    assert problem is not None
    assert problem.code is ErrorCode.SOURCE_UNREADABLE
    assert store.reads >= ATTEMPTS + 1


def test_a_store_that_tells_of_objects_and_reads_none_is_waited_for(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    upload = put(store, "in/acc_1/identity/a.png")
    store.broken = frozenset({upload.key, keys.PROBE_KEY})

    with pytest.raises(StoreUnavailable):
        announce(announcer, upload)

    assert requests(reader, store) == {}


def test_a_store_that_is_away_is_an_error_of_the_world_and_nothing_is_asked_for(
    world: World,
    settings: Settings,
    store: WatchedStore,
    producer: KafkaPythonProducer,
    reader: TopicReader,
) -> None:
    upload = put(store, "in/acc_1/identity/a.png")
    away = open_store(settings, endpoint="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        announce(announcer_of(world, world.pool, away, producer), upload)
    assert requests(reader, store) == {}


@pytest.mark.parametrize("first", ["image", "mask"])
def test_a_picture_and_its_mask_are_one_job_whichever_came_first(
    announcer: Announcer, store: WatchedStore, reader: TopicReader, first: str
) -> None:
    image_key = "in/acc_1/inpaint/cat.png"
    order = [image_key, f"{image_key}.mask.png"]
    if first == "mask":
        order.reverse()

    one = put(store, order[0])
    assert announce(announcer, one) == 0
    other = put(store, order[1], png(8, 6, mode="L", colour=255))
    assert announce(announcer, other) == 1

    image, mask = (one, other) if first == "image" else (other, one)
    (request,) = requests(reader, store).values()
    assert request.key == image_key
    assert request.mask is not None
    assert (request.mask.key, request.mask.etag) == (mask.key, mask.etag)
    assert request.job_id == ids.object_job_id(store.bucket, image.key, image.etag, mask.etag)


def test_a_picture_and_its_mask_in_one_batch_are_asked_for_once(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    image = put(store, "in/acc_1/inpaint/cat.png")
    mask = put(store, "in/acc_1/inpaint/cat.png.mask.png", png(mode="L"))
    assert announce(announcer, mask, image) == 1
    assert list(requests(reader, store)) == [image.key]


def test_a_new_mask_of_the_same_picture_is_a_new_job(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    announce(announcer, put(store, "in/acc_1/inpaint/cat.png"))
    for colour in (0, 255):
        mask = png(mode="L", colour=colour)
        announce(announcer, put(store, "in/acc_1/inpaint/cat.png.mask.png", mask))
    assert len({request.job_id for request in sent(reader, store)}) == 2


def test_a_lone_picture_waits_for_its_mask_and_is_asked_for_without_one_in_the_end(
    announcer: Announcer, store: WatchedStore, reader: TopicReader, world: World
) -> None:
    image = put(store, "in/acc_1/inpaint/lone.png")
    world.clock.turn(hours=23, minutes=58)
    assert announce(announcer, image) == 0
    world.clock.turn(minutes=3)
    assert announce(announcer, image) == 1
    (request,) = requests(reader, store).values()
    assert request.mask is None
    assert request.job_id == ids.object_job_id(store.bucket, image.key, image.etag)


def test_a_lone_mask_is_never_asked_for(
    announcer: Announcer, store: WatchedStore, reader: TopicReader, world: World
) -> None:
    mask = put(store, "in/acc_1/inpaint/lone.png.mask.png", png(mode="L"))
    world.clock.turn(days=3)
    assert announce(announcer, mask) == 0
    assert requests(reader, store) == {}


def test_a_preset_that_takes_no_mask_takes_a_file_of_that_name_as_a_picture(
    announcer: Announcer, store: WatchedStore, reader: TopicReader
) -> None:
    announce(announcer, put(store, "in/acc_1/identity/a.png.mask.png"))
    assert list(requests(reader, store)) == ["in/acc_1/identity/a.png.mask.png"]


def test_known_jobs_are_dropped_by_one_query_and_nothing_is_read_for_them(
    world: World, store: WatchedStore, producer: KafkaPythonProducer, reader: TopicReader
) -> None:
    uploads = [put(store, f"in/acc_1/identity/{number}.png") for number in range(40)]
    with ConnectionPool(
        world.database.app_url, min_size=1, kwargs={"cursor_factory": CountingCursor}
    ) as pool:
        announcer = announcer_of(world, pool, store, producer)
        announce(announcer, *uploads)
        Admission(world.pool, world.clock, LIFETIME).step(list(requests(reader, store).values()))
        reads, CountingCursor.count = store.reads, 0

        assert announce(announcer, *uploads) == 0

        of_the_presets_and_of_the_ids = 2
        assert CountingCursor.count == of_the_presets_and_of_the_ids
    assert store.reads == reads
    assert len(requests(reader, store)) == 40
