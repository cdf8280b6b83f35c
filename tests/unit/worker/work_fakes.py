"""A bucket and a broker in memory, for what no server can be made to do on demand."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Never

from infra.kafka import BrokerUnavailableError, Message
from infra.stored_objects import (
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
)


@dataclass
class MemoryStore(ObjectStore):
    """Objects by key, each with its ETag; `before` may raise or change things before a call."""

    objects: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda _verb, _key: None
    done: list[str] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        return "uploads"

    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> bytes:
        self.before("get", key)
        if key not in self.objects:
            raise ObjectMissing(key)
        etag, data = self.objects[key]
        if if_match not in (None, etag):
            raise ObjectChanged(key)
        if len(data) > max_bytes:
            raise ObjectTooLarge(key)
        self.done.append(f"get {key}")
        return data

    def put(self, key: str, data: bytes, content_type: str) -> str:
        self.before("put", key)
        self.objects[key] = ("0c", data)
        self.done.append(f"put {key} {content_type}")
        return "0c"

    def head(self, key: str, version_id: str | None = None) -> ObjectInfo:
        return _unused(key, version_id)

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        return _unused(key, start, end, if_match, version_id)

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        return _unused(prefix, start_after)

    def delete(self, key: str) -> None:
        _unused(key)

    def presigned_put(
        self,
        key: str,
        expires: timedelta,
        content_type: str | None = None,
        size: int | None = None,
    ) -> str:
        return _unused(key, expires, content_type, size)

    def presigned_get(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        return _unused(key, expires, filename)


def _unused(*what: object) -> Never:
    raise AssertionError(f"a worker asks this of no store: {what}")


@dataclass
class MemoryBroker:
    """One consumer's and producer's side of Kafka: what comes, what is committed and sent."""

    coming: list[list[Message]] = field(default_factory=list)
    committed: list[list[int]] = field(default_factory=list)
    held_back: list[set[str]] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    takes: bool = True

    def poll(self, timeout_s: float) -> Sequence[Message]:  # noqa: ARG002 - as in `Consumer`
        return self.coming.pop(0) if self.coming else []

    def commit(self, messages: Sequence[Message]) -> None:
        self.committed.append([message.offset for message in messages])

    def hold_back(self, topics: Collection[str]) -> None:
        self.held_back.append(set(topics))

    def send_all(self, messages: Sequence[Message]) -> None:
        if not self.takes:
            raise BrokerUnavailableError("not now")
        self.sent += messages
