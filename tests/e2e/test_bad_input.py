"""What is wrong ends with a clear code where its sender looks, costs nothing, stops nothing."""

import json
import struct
import zlib
from collections.abc import Iterator

import pytest

from infra.dead_letters import DeadReason
from infra.kafka import KafkaPythonProducer, Message
from infra.kafka_topics import SOURCE_TOPICS
from infra.stack import Running
from infra.topic_reader import TopicReader
from schemas import events, ids, keys, topics
from schemas.events import HeaderFacts, JobRequested
from schemas.operations import ImageFormat
from tests.e2e.customer import CLOCK, Customer, customer_of, picture, wait_until

BALANCE = 50_000


def png_of_size(width: int, height: int) -> bytes:
    """Return a tiny PNG that claims a size, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


LONG_NAME = "n" * 220 + ".png"

# preset and path, what is uploaded, how it ends
BAD: dict[str, tuple[str, bytes, str, str]] = {
    "text": ("identity/not-a-picture.png", b"plain text", "rejected", "unreadable_image"),
    "cut_header": ("identity/cut.png", picture()[:20], "rejected", "truncated_image"),
    "cut_pixels": (
        "upscale-fast-x4/cut.jpg",
        picture(200, 200, form="JPEG")[:4000],
        "failed",
        "truncated_image",
    ),
    "bomb": (
        "upscale-fast-x4/bomb.png",
        png_of_size(60_000, 60_000),
        "rejected",
        "image_too_large",
    ),
    "hollow": ("upscale-fast-x4/hollow.png", png_of_size(3000, 3000), "failed", "truncated_image"),
    "empty": ("identity/empty.png", b"", "rejected", "empty_object"),
    "icon": ("identity/a.ico", picture(form="ICO"), "rejected", "unsupported_format"),
    "no_preset": ("no-such-preset/a.png", picture(), "rejected", "preset_unknown"),
    "no_path": ("lonely.png", picture(), "rejected", "malformed_key"),
    "long_name": (f"identity/{LONG_NAME}", picture(), "rejected", "key_too_long"),
    "no_alpha": ("inpaint-alpha/opaque.png", picture(), "rejected", "alpha_missing"),
}


@pytest.fixture(scope="module")
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system, balance=BALANCE) as customer:
        yield customer


@pytest.fixture(scope="module")
def uploaded(customer: Customer) -> dict[str, str]:
    """Every bad file, between two good ones, put at once; its key by its name."""
    prefix = keys.account_input_prefix(customer.id)
    bodies = {
        "first": ("identity/first.png", picture(seed=1)),
        **{name: (path, body) for name, (path, body, _, _) in BAD.items()},
        "last": ("identity/带 空格 and+plus & 100%41.png", picture(seed=2)),
    }
    for path, body in bodies.values():
        customer.store.put(prefix + path, body, "application/octet-stream")
    sources = {name: prefix + path for name, (path, _) in bodies.items()}
    customer.wait_ended(sources.values())
    return sources


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_with_its_code_and_a_problem_file(
    customer: Customer, uploaded: dict[str, str], name: str
) -> None:
    _, _, state, code = BAD[name]
    assert customer.jobs()[uploaded[name]] == (state, code)
    problem = _wait_problem(customer, uploaded[name])
    assert problem["code"] == code
    assert problem["remedy"]


def _wait_problem(customer: Customer, source: str) -> dict[str, object]:
    row = customer.conn.execute("SELECT id FROM jobs WHERE source_key = %s", (source,)).fetchone()
    assert row is not None
    ending = f".{row[0]}.{keys.PROBLEM_EXTENSION}"

    def made() -> list[str]:
        return [key for key in customer.outputs() if key.endswith(ending)]

    wait_until(lambda: bool(made()), within_s=20, what=f"a problem file for {source}")
    problem: dict[str, object] = json.loads(customer.store.get(made()[0], max_bytes=1 << 16))
    return problem


def test_what_is_good_between_the_bad_succeeds_and_alone_is_charged(
    customer: Customer, uploaded: dict[str, str]
) -> None:
    good = [uploaded["first"], uploaded["last"]]
    assert [customer.jobs()[key][0] for key in good] == ["succeeded", "succeeded"]
    customer.assert_charged_exactly_once(good, each=1)
    assert customer.balance().available == BALANCE - 2
    assert customer.balance().held == 0


def test_an_upload_under_an_unknown_account_is_rejected(system: Running) -> None:
    with customer_of(system, balance=0) as customer:
        key = "in/acc_nobody/identity/a.png"
        customer.store.put(key, picture(seed=3), "image/png")

        def state() -> tuple[str, str] | None:
            return customer.conn.execute(
                "SELECT state, code FROM jobs WHERE source_key = %s", (key,)
            ).fetchone()

        wait_until(lambda: state() is not None, within_s=30, what="a job")
        assert state() == ("rejected", "account_unknown")


def test_an_upload_without_the_money_for_it_is_rejected(system: Running) -> None:
    with customer_of(system, balance=1999) as customer:
        key = customer.upload("upscale-fast-x4", "dear.png", picture())
        customer.wait_ended([key])
        assert customer.jobs()[key] == ("rejected", "insufficient_balance")
        assert "2000" in str(_wait_problem(customer, key)["detail"])
        assert customer.balance().available == 1999


def test_a_mask_of_another_size_fails_and_costs_nothing(system: Running) -> None:
    with customer_of(system) as customer:
        mask = customer.upload("inpaint", "a.png.mask.png", picture(10, 10, mode="L"))
        image = customer.upload("inpaint", "a.png", picture(12, 10))
        customer.wait_ended([image])
        assert customer.jobs() == {image: ("failed", "mask_size_mismatch")}
        assert mask not in customer.jobs()
        assert customer.balance().available == 10_000_000


@pytest.mark.parametrize("topic", [t.name for t in SOURCE_TOPICS if t.name != "abuse-findings"])
def test_garbage_on_a_topic_goes_to_its_dead_letters_and_the_stream_goes_on(
    system: Running, topic: str
) -> None:
    garbage = b"\xff\xfegarbage " + ids.new_upload_id().encode()
    with customer_of(system) as customer:
        producer = KafkaPythonProducer(customer.settings.kafka_bootstrap, client_id="vandal")
        producer.send_all([Message(topic, b"key", garbage)])
        key = customer.upload("identity", "after.png", picture(seed=4))
        dead = _wait_dead(customer, topic, garbage)
        assert dict(dead.headers)["reason"] == DeadReason.UNREADABLE.encode()
        assert dict(dead.headers)["topic"] == topic.encode()
        assert dead.key == b"key"
        customer.wait_ended([key])
        assert customer.jobs()[key] == ("succeeded", None)
        producer.close()


def _wait_dead(customer: Customer, topic: str, value: bytes) -> Message:
    found: list[Message] = []

    def look() -> bool:
        reader = TopicReader(customer.settings.kafka_bootstrap, client_id="look")
        try:
            found[:] = [m for m in reader.read(topics.dlq(topic)) if m.value == value]
        finally:
            reader.close()
        return bool(found)

    wait_until(look, within_s=30, what=f"the message on {topic}.dlq")
    return found[0]


def test_garbage_as_large_as_a_topic_takes_finds_room_among_the_dead_letters(
    system: Running,
) -> None:
    garbage = ids.new_upload_id().encode().ljust(1_048_400, b"x")
    with customer_of(system) as customer:
        producer = KafkaPythonProducer(customer.settings.kafka_bootstrap, client_id="vandal")
        producer.send_all([Message(topics.USAGE, None, garbage)])
        producer.close()
        _wait_dead(customer, topics.USAGE, garbage)
        key = customer.upload("identity", "after.png", picture(seed=5))
        customer.wait_ended([key])
        customer.assert_charged_exactly_once([key], each=1)


def test_a_key_with_u0000_amid_five_hundred_is_the_only_one_that_dies(system: Running) -> None:
    with customer_of(system) as customer:
        requests = [_request(customer, f"{n}.png") for n in range(500)]
        requests[250] = _request(customer, "with\0null.png")
        producer = KafkaPythonProducer(customer.settings.kafka_bootstrap, client_id="batch")
        producer.send_all(
            [Message(topics.JOB_REQUESTS, customer.id.encode(), body) for body in requests]
        )
        producer.close()
        dead = _wait_dead(customer, topics.JOB_REQUESTS, requests[250])
        assert b"U+0000" in dict(dead.headers)["error"]
        wait_until(lambda: len(customer.jobs()) == 499, within_s=60, what="499 jobs")
        # Their objects were never there: each ends as changed, and free.
        customer.wait_ended(list(customer.jobs()), within_s=120)
        assert set(customer.jobs().values()) == {("failed", "source_changed")}
        assert customer.balance().available == 10_000_000


def _request(customer: Customer, path: str) -> bytes:
    key = keys.input_key(customer.id, "identity", path)
    data = JobRequested(
        job_id=ids.object_job_id(customer.settings.bucket, key, "etag"),
        account_id=customer.id,
        preset="identity",
        bucket=customer.settings.bucket,
        key=key,
        etag="d41d8cd98f00b204e9800998ecf8427e",
        size=10,
        header=HeaderFacts(format=ImageFormat.PNG, width=1, height=1),
        found_by="event",
        uploaded_at=CLOCK.now(),
    )
    return events.job_requested(data, at=CLOCK.now()).encode()
