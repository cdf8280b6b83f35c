"""What object stores announce on Kafka, decoded: which objects came into being.

Three formats arrive on one topic and tell themselves apart:

- SeaweedFS: protobuf `EventNotification` about an entry of its filer (message definitions
  in its repository, `weed/pb/filer.proto`); the Kafka key is `/buckets/<bucket>/<key>`.
- MinIO and AWS S3: JSON with `Records`, whose keys are query-escaped.

Everything here is a function of its arguments.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from infra.protobuf_wire import NotProtobuf, fields, signed

_BUCKETS = "/buckets/"
_MULTIPART_PARTS = ".uploads"
_VERSIONS = ".versions"
_NULL_VERSION = "null"

_ETAG = re.compile(r"[!#-~]{1,128}")
"""Printable ASCII without quotes: an ETag goes into `If-Match` as it stands."""

_MAX_SIZE = 2**63 - 1

_ETAG_ATTRIBUTE = "Seaweed-X-Amz-ETag"
_VERSION_ATTRIBUTE = "Seaweed-X-Amz-Version-Id"
_DELETE_MARKER_ATTRIBUTE = "Seaweed-X-Amz-Delete-Marker"

_METADATA_ONLY = ("PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold")
"""MinIO files these under ObjectCreated, though no bytes are new."""


class UnreadableObjectEvent(ValueError):  # noqa: N818 - named by what it says of the message
    """The message is none of the known formats, and will not become one."""


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """An object is there, complete.

    `key` is decoded, `etag` unquoted (`<md5>` or, multipart, `<md5>-<parts>`), `size` in
    bytes; `version_id` is None in a bucket without versions. `event_time` is the store's,
    aware, in UTC; SeaweedFS tells it in whole seconds.
    """

    bucket: str
    key: str
    etag: str
    size: int
    version_id: str | None
    event_time: datetime | None


def decode(key: bytes | None, value: bytes) -> list[ObjectCreated]:
    """Return the objects that a message on the object events topic announces.

    An empty list means that the message was understood and announces none: a directory,
    a deletion, a part of an upload under way, the same bytes written again where the
    store can tell. Objects of all buckets and prefixes are returned; which of them are
    uploads is the caller's to decide. Raises `UnreadableObjectEvent`, and nothing else,
    on anything that is no such message.
    """
    if value.startswith(b"{"):
        return _from_records(value)
    try:
        return _from_filer(key, value)
    except NotProtobuf as error:
        raise UnreadableObjectEvent(f"neither JSON nor SeaweedFS protobuf: {error}") from error


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    # MinIO leaves the size out when it is 0, removals have no ETag.
    size: Annotated[int, Field(ge=0)] = 0
    e_tag: Annotated[str, Field(alias="eTag")] = ""
    version_id: Annotated[str | None, Field(alias="versionId")] = None


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    event_name: Annotated[str, Field(alias="eventName")]
    event_time: Annotated[datetime | None, Field(alias="eventTime")] = None
    s3: _S3

    @property
    def creates(self) -> bool:
        """Tell whether the record is about new bytes; AWS leaves out the prefix `s3:`."""
        kind, _, how = self.event_name.removeprefix("s3:").partition(":")
        return kind == "ObjectCreated" and how not in _METADATA_ONLY


class _Records(BaseModel):
    records: Annotated[list[_Record], Field(alias="Records")]


class _TestEvent(BaseModel):
    """What AWS sends once, when a notification is set up."""

    event: Annotated[str, Field(alias="Event", pattern=r"^s3:TestEvent$")]


_JSON: TypeAdapter[_Records | _TestEvent] = TypeAdapter(_Records | _TestEvent)


def _from_records(value: bytes) -> list[ObjectCreated]:
    try:
        message = _JSON.validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableObjectEvent(f"not an S3 event: {where}: {first['msg']}") from error
    if isinstance(message, _TestEvent):
        return []
    return [_from_record(record) for record in message.records if record.creates]


def _from_record(record: _Record) -> ObjectCreated:
    announced = record.s3.object
    try:
        key = unquote_plus(announced.key, errors="strict")
    except UnicodeDecodeError as error:
        raise UnreadableObjectEvent(f"key {announced.key!r} is not UTF-8") from error
    version = announced.version_id
    return _checked(
        ObjectCreated(
            bucket=record.s3.bucket.name,
            key=key,
            etag=announced.e_tag.strip('"'),
            size=announced.size,
            version_id=None if version in ("", _NULL_VERSION) else version,
            event_time=_in_utc(record.event_time) if record.event_time else None,
        )
    )


def _in_utc(time: datetime) -> datetime | None:
    """Return a time in UTC, which it is if it names no zone; None where there it is of no year."""
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None


@dataclass(slots=True)
class _Entry:
    """A file or directory of the filer, as far as it matters here."""

    name: str
    is_directory: bool
    size: int
    mtime: int
    md5: str
    extended: dict[str, bytes]

    @property
    def etag(self) -> str:
        """The ETag that the store's S3 side gives for it; empty when the entry has none.

        The S3 side keeps it as an attribute, multipart ones included; a file written to
        the filer directly has only its MD5.
        """
        return _text(self.extended.get(_ETAG_ATTRIBUTE, b"")).strip('"') or self.md5


def _from_filer(message_key: bytes | None, value: bytes) -> list[ObjectCreated]:
    if message_key is None or not value:
        raise UnreadableObjectEvent("a message without key or value is none of a store's")
    old: _Entry | None = None
    new: _Entry | None = None
    new_parent = ""
    for number, field in fields(value):
        match number, field:
            case 1, bytes():
                old = _entry(field)
            case 2, bytes():
                new = _entry(field)
            case 4, bytes():
                new_parent = _text(field)
            case ((1 | 2 | 4), _):
                raise UnreadableObjectEvent(f"field {number} of the notification is a number")
            case _:
                pass
    announced = _text(message_key)
    if not announced.startswith("/") or (old is None and new is None):
        raise UnreadableObjectEvent(f"key {announced!r} with no entry is not SeaweedFS's")
    if new is None or new.is_directory or new.extended.get(_DELETE_MARKER_ATTRIBUTE) == b"true":
        return []
    # After a rename the message's key is still the old path.
    path = f"{new_parent}/{new.name}" if new_parent else announced
    if old is not None and old.etag == new.etag and path == announced:
        return []
    return _from_entry(path, new)


def _from_entry(path: str, entry: _Entry) -> list[ObjectCreated]:
    bucket, _, key = path.removeprefix(_BUCKETS).partition("/")
    outside = not path.startswith(_BUCKETS) or not key
    # An entry that came in by neither S3 nor the filer's HTTP may have no ETag; the store
    # computes one when asked, so such an object is found by listing instead.
    if outside or key.partition("/")[0] == _MULTIPART_PARTS or not entry.etag:
        return []
    version = _text(entry.extended.get(_VERSION_ATTRIBUTE, b"")) or None
    if version == _NULL_VERSION:
        version = None
    if version is not None:
        # The version lies in a folder beside where the object would: key.versions/v_<id>
        key = key.removesuffix(f"{_VERSIONS}/{entry.name}")
    try:
        time = datetime.fromtimestamp(entry.mtime, UTC) if entry.mtime else None
    except (OverflowError, ValueError, OSError) as error:
        raise UnreadableObjectEvent(f"mtime {entry.mtime} is no time") from error
    return [_checked(ObjectCreated(bucket, key, entry.etag, entry.size, version, time))]


def _entry(message: bytes) -> _Entry:
    entry = _Entry(name="", is_directory=False, size=0, mtime=0, md5="", extended={})
    for number, field in fields(message):
        match number, field:
            case 1, bytes():
                entry.name = _text(field)
            case 2, int():
                entry.is_directory = field != 0
            case 4, bytes():
                _read_attributes(field, entry)
            case 5, bytes():
                name, content = _map_item(field)
                entry.extended[name] = content
            case 9, bytes():
                entry.size = max(entry.size, len(field))
            case ((1 | 2 | 4 | 5 | 9), _):
                raise UnreadableObjectEvent(f"field {number} of an entry has the wrong type")
            case _:
                pass
    return entry


def _read_attributes(message: bytes, entry: _Entry) -> None:
    for number, field in fields(message):
        match number, field:
            case 1, int():
                entry.size = max(entry.size, field)
            case 2, int():
                entry.mtime = signed(field)
            case 14, bytes():
                entry.md5 = field.hex()
            case ((1 | 2 | 14), _):
                raise UnreadableObjectEvent(f"attribute {number} of an entry has the wrong type")
            case _:
                pass


def _map_item(message: bytes) -> tuple[str, bytes]:
    name, content = "", b""
    for number, field in fields(message):
        match number, field:
            case 1, bytes():
                name = _text(field)
            case 2, bytes():
                content = field
            case _:
                raise UnreadableObjectEvent(f"field {number} in an extended attribute")
    return name, content


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableObjectEvent(f"{data[:80]!r} is not UTF-8") from error


def _checked(created: ObjectCreated) -> ObjectCreated:
    if not created.bucket or not created.key or "\0" in created.bucket + created.key:
        raise UnreadableObjectEvent(f"{created.bucket!r}/{created.key!r} is no object's name")
    if created.size > _MAX_SIZE:
        raise UnreadableObjectEvent(f"{created.size} bytes of {created.key!r}")
    if not _ETAG.fullmatch(created.etag):
        raise UnreadableObjectEvent(f"ETag {created.etag!r} of {created.key!r}")
    return created
