"""Each of the messages recorded from real servers, and what it must come out as."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.object_events import decode

RECORDED = Path(__file__).parents[2] / "data" / "object-events.jsonl"

CAT, CAT_2 = "6bfc2f5a8912f939dc758225705930d0", "25038a71a9a5102551fbca6604c389fc"
PHOTO, META = "ab4f3ccba74857c5f2ba0d5b7dbf65e1", "6f8f57715090da2632453988d9a1501b"
EMPTY, BIG = "d41d8cd98f00b204e9800998ecf8427e", "68b1c3c0c36825adebbeab1de576d8a1-3"
V1, V2 = "6654c734ccab8f440ff0825eb443dc7f", "1b267619c4812cc46ee281747884ca50"
ODD_KEY = "in/acc_1/x4/照片 a+b &%41.jpg"

Expected = tuple[str, str, str, int, str | None]
NOTHING: Expected | None = None


def an_object(
    name: str, etag: str, size: int, *, bucket: str = "uploads", version: str | None = None
) -> Expected:
    key = name if "/" in name else f"in/acc_1/x4/{name}"
    return bucket, key, etag, size, version


def a_version(etag: str, version: str) -> Expected:
    return an_object("v.png", etag, 2, bucket="versioned", version=version)


OUTCOMES: list[tuple[str, Expected | None]] = [
    ("minio put", an_object("cat.png", CAT, 6)),
    ("minio put of the same bytes", an_object("cat.png", CAT, 6)),
    ("minio overwrite", an_object("cat.png", CAT_2, 7)),
    ("minio key with space, plus, percent, chinese", an_object(ODD_KEY, PHOTO, 4)),
    ("minio user metadata naming another account", an_object("meta.png", META, 1)),
    ("minio empty object without a size field", an_object("empty.png", EMPTY, 0)),
    ("minio multipart", an_object("big.png", BIG, 11534336)),
    ("minio copy", an_object("copy.png", CAT_2, 7)),
    ("minio delete", NOTHING),
    ("minio versioned put", a_version(V1, "ea0f775a-fb45-417d-b3e1-18055457d4d5")),
    ("minio versioned put again", a_version(V2, "b1871b15-0c0e-49b8-9950-f591bc882eec")),
    ("minio delete marker", NOTHING),
    ("seaweedfs put", an_object("cat.png", CAT, 6)),
    ("seaweedfs put of the same bytes", NOTHING),
    ("seaweedfs overwrite", an_object("cat.png", CAT_2, 7)),
    ("seaweedfs key with space, plus, percent, chinese", an_object(ODD_KEY, PHOTO, 4)),
    ("seaweedfs user metadata naming another account", an_object("meta.png", META, 1)),
    ("seaweedfs empty object", an_object("empty.png", EMPTY, 0)),
    ("seaweedfs multipart: folder of the upload", NOTHING),
    ("seaweedfs multipart: folder of all uploads", NOTHING),
    ("seaweedfs multipart: part 3", NOTHING),
    ("seaweedfs multipart: part 2", NOTHING),
    ("seaweedfs multipart: part 1", NOTHING),
    ("seaweedfs multipart: complete", an_object("big.png", BIG, 11534336)),
    ("seaweedfs multipart: folder of the upload removed", NOTHING),
    ("seaweedfs multipart: part 2 removed", NOTHING),
    ("seaweedfs multipart: part 3 removed", NOTHING),
    ("seaweedfs multipart: part 1 removed", NOTHING),
    ("seaweedfs copy", an_object("copy.png", CAT_2, 7)),
    ("seaweedfs folder out", NOTHING),
    ("seaweedfs folder out/acc_1", NOTHING),
    (
        "seaweedfs object under out",
        an_object("out/acc_1/job.png", "d95679752134a2d9eb61dbd7b91c4bcc", 1),
    ),
    ("seaweedfs delete", NOTHING),
    ("seaweedfs versioned: folder x4", NOTHING),
    ("seaweedfs versioned: folder in", NOTHING),
    ("seaweedfs versioned: folder of versions", NOTHING),
    ("seaweedfs versioned put", a_version(V1, "67158982ce7ee64000dce65cb3fc001d")),
    ("seaweedfs versioned: folder of versions names the latest", NOTHING),
    ("seaweedfs versioned: folder acc_1", NOTHING),
    ("seaweedfs versioned again: folder of versions names the latest", NOTHING),
    ("seaweedfs versioned put again", a_version(V2, "671589827a6944bb1ecc1958a6368874")),
    ("seaweedfs versioned again: first version is no longer current", NOTHING),
    ("seaweedfs delete marker comes into being", NOTHING),
    ("seaweedfs delete marker: second version is no longer current", NOTHING),
    ("seaweedfs delete marker: folder of versions names it", NOTHING),
]


@dataclass(frozen=True)
class Message:
    store: str
    key: bytes
    value: bytes


def recorded() -> list[Message]:
    lines = [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]
    return [
        Message(
            line["store"], base64.b64decode(line["key_b64"]), base64.b64decode(line["value_b64"])
        )
        for line in lines
    ]


def test_every_recorded_message_has_an_expected_outcome() -> None:
    messages = recorded()
    assert len(messages) == len(OUTCOMES) == 45
    assert all(
        name.startswith(message.store)
        for message, (name, _) in zip(messages, OUTCOMES, strict=True)
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [pytest.param(line, expected, id=name) for line, (name, expected) in enumerate(OUTCOMES)],
)
def test_a_recorded_message_announces(line: int, expected: Expected | None) -> None:
    message = recorded()[line]
    created = decode(message.key, message.value)
    found = [(c.bucket, c.key, c.etag, c.size, c.version_id) for c in created]
    assert found == ([] if expected is None else [expected])


def test_times_are_the_stores_and_in_utc() -> None:
    messages = recorded()
    minio, seaweedfs = (decode(messages[at].key, messages[at].value)[0] for at in (0, 12))
    assert minio.event_time is not None
    assert minio.event_time.isoformat() == "2026-11-22T20:00:43.671000+00:00"
    assert seaweedfs.event_time is not None
    assert seaweedfs.event_time.isoformat() == "2026-11-22T20:01:09+00:00"
