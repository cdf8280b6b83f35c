"""What the recorded messages do not show: AWS, renames, and everything that is wrong."""

import contextlib
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.object_events import ObjectCreated, UnreadableObjectEvent, decode

ETAG = "6bfc2f5a8912f939dc758225705930d0"
PATH = b"/buckets/uploads/in/acc_1/x4/cat.png"
PARENT = b"/buckets/uploads/in/acc_1/x4"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(  # noqa: PLR0917 - each test names the one it changes
    name: bytes = b"cat.png",
    etag: str | None = ETAG,
    version: str | None = None,
    md5: bytes = b"",
    size: int = 6,
    mtime: int = 1795377669,
) -> bytes:
    attributes = field(1, size) + field(2, mtime) + (field(14, md5) if md5 else b"")
    extended = {"Seaweed-X-Amz-ETag": etag, "Seaweed-X-Amz-Version-Id": version}
    items = [
        field(5, field(1, name.encode()) + field(2, value.encode()))
        for name, value in extended.items()
        if value is not None
    ]
    return field(1, name) + field(4, attributes) + b"".join(items)


def created(new: bytes, parent: bytes = PARENT) -> bytes:
    return field(2, new) + field(4, parent)


def aws(key: str = "in/acc_1/x4/a+b%2Bc.png", **changes: object) -> bytes:
    announced = {"key": key, "size": 6, "eTag": f'"{ETAG}"', "sequencer": "0055AED6DCD90281E5"}
    record = {
        "eventVersion": "2.1",
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-22T20:00:43.671Z",
        "s3": {"bucket": {"name": "uploads"}, "object": announced | changes},
    }
    return json.dumps({"Records": [record]}).encode()


def only(key: bytes | None, value: bytes) -> ObjectCreated:
    (found,) = decode(key, value)
    return found


def test_an_aws_record_is_read_without_the_s3_prefix_and_with_a_quoted_etag() -> None:
    found = only(None, aws())
    assert (found.key, found.etag, found.version_id) == ("in/acc_1/x4/a b+c.png", ETAG, None)


def test_all_records_of_one_message_are_returned() -> None:
    one = json.loads(aws())
    both = {"Records": one["Records"] + json.loads(aws("in/b.png"))["Records"]}
    keys = [found.key for found in decode(None, json.dumps(both).encode())]
    assert keys == ["in/acc_1/x4/a b+c.png", "in/b.png"]


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
def test_a_time_that_is_of_no_year_in_utc_is_none(said: str) -> None:
    message = aws().replace(b"2026-11-22T20:00:43.671Z", said.encode())
    assert only(None, message).event_time is None


def test_the_version_null_is_no_version() -> None:
    assert only(None, aws(versionId="null")).version_id is None
    assert only(PATH, created(entry(version="null"))).version_id is None


def test_the_test_event_of_aws_announces_nothing() -> None:
    message = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}
    assert decode(None, json.dumps(message).encode()) == []


@pytest.mark.parametrize("name", ["s3:ObjectCreated:PutTagging", "s3:ObjectAccessed:Get"])
def test_events_without_new_bytes_announce_nothing(name: str) -> None:
    message = aws().replace(b"ObjectCreated:Put", name.encode())
    assert decode(None, message) == []


def test_an_object_renamed_by_the_filer_is_announced_under_its_new_key() -> None:
    moved = field(1, entry()) + field(2, entry(name=b"dog.png")) + field(4, PARENT)
    assert only(PATH, moved).key == "in/acc_1/x4/dog.png"


def test_a_file_that_only_looks_like_a_version_keeps_its_name() -> None:
    path = b"/buckets/uploads/in/acc_1/x4/cat.png.versions/v_1"
    plain = created(entry(name=b"v_1"), path.rpartition(b"/")[0])
    assert only(path, plain).key == "in/acc_1/x4/cat.png.versions/v_1"


def test_a_version_kept_beside_its_folder_keeps_its_key() -> None:
    found = only(PATH, created(entry(version="1")))
    assert (found.key, found.version_id) == ("in/acc_1/x4/cat.png", "1")


def test_an_entry_without_etag_attribute_has_its_md5_as_etag() -> None:
    found = only(PATH, created(entry(etag=None, md5=bytes.fromhex(ETAG))))
    assert found.etag == ETAG


def test_an_entry_that_tells_no_etag_is_left_to_the_listing() -> None:
    assert decode(PATH, created(entry(etag=None))) == []


def test_an_entry_kept_inline_has_the_size_of_its_content() -> None:
    assert only(PATH, created(entry(size=0) + field(9, b"123456"))).size == 6


@pytest.mark.parametrize("path", [b"/etc/iam/identity.json", b"/buckets/uploads"])
def test_what_lies_in_no_bucket_announces_nothing(path: bytes) -> None:
    parent, _, name = path.rpartition(b"/")
    assert decode(path, created(entry(name=name), parent)) == []


def test_fields_of_newer_servers_are_skipped() -> None:
    newer = created(entry() + field(77, b"new")) + field(78, 1) + b"\xfd\x04" + b"4byt"
    assert only(PATH, newer).etag == ETAG


WRONG = {
    "nothing": (PATH, b""),
    "no key": (None, created(entry())),
    "key that is no path": (b"uploads", created(entry())),
    "key that is not UTF-8": (b"/\xff", created(entry())),
    "text": (PATH, b"hello, world"),
    "cut off": (PATH, created(entry())[:-3]),
    "no entries": (PATH, field(4, PARENT)),
    "entry as number": (PATH, field(2, 7)),
    "field number 0": (PATH, b"\x02\x00"),
    "endless varint": (PATH, b"\x10" + b"\xff" * 11),
    "varint over 64 bits": (PATH, b"\x10" + b"\xff" * 9 + b"\x7f"),
    "group": (PATH, b"\x0b"),
    "mtime beyond time": (PATH, created(entry(mtime=2**62))),
    "size beyond 63 bits": (PATH, created(entry(size=2**63))),
    "NUL in the key": (PATH, created(entry(name=b"a\0b.png"))),
    "NUL in the key of a record": (None, aws("in/acc_1/x4/a%00b.png")),
    "key of a record that is not UTF-8": (None, aws("in/%ff")),
    "empty key in a record": (None, aws("")),
    "negative size": (None, aws(size=-1)),
    "line break in the ETag": (None, aws(eTag="a\r\nX-Evil: 1")),
    "no ETag": (None, aws(eTag="")),
    "other JSON": (None, b'{"hello": "world"}'),
    "Records that are none": (None, b'{"Records": null}'),
    "broken JSON": (None, aws()[:-2]),
    "deep JSON": (None, b'{"Records":' + b"[" * 100_000),
    "lone surrogate": (None, aws().replace(b"a+b", b"\\ud800")),
}


@pytest.mark.parametrize(("key", "value"), WRONG.values(), ids=WRONG.keys())
def test_garbage_is_unreadable(key: bytes | None, value: bytes) -> None:
    with pytest.raises(UnreadableObjectEvent):
        decode(key, value)


MESSAGES = [created(entry()), field(1, entry()) + created(entry(etag="2")), aws()]


@given(st.none() | st.binary() | st.just(PATH), st.binary())
def test_arbitrary_bytes_are_decoded_or_unreadable(key: bytes | None, value: bytes) -> None:
    with contextlib.suppress(UnreadableObjectEvent):
        decode(key, value)


@given(st.sampled_from(MESSAGES), st.data())
def test_damaged_messages_are_decoded_or_unreadable(message: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(message) - 1))
    damaged = message[:at] + data.draw(st.binary(max_size=4)) + message[at + 1 :]
    with contextlib.suppress(UnreadableObjectEvent):
        decode(PATH, damaged)


@given(st.text(min_size=1, alphabet=st.characters(blacklist_categories=["Cs"])))
def test_any_key_survives_the_escaping_of_records(key: str) -> None:
    if "\0" not in key:
        assert only(None, aws(quote_plus(key))).key == key
