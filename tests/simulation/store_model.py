"""The object store as a model: one bucket in memory, which tells of what is put into it.

What the pipeline relies on is asked of it by `tests/contract/test_object_store_adapter.py`, as
it is of the real store.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from infra.stored_objects import (
    PAGE,
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's bytes, and what the store tells of it."""

    info: ObjectInfo
    data: bytes


class ModelStore:
    """`ObjectStore` in memory, without faults; `on_put` is told of each object put."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        bucket: str = "uploads",
        on_put: Callable[[ObjectInfo], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._bucket = bucket
        self._on_put = on_put
        self.objects: dict[str, Stored] = {}

    @property
    def bucket(self) -> str:
        """See `ObjectStore`."""
        return self._bucket

    def head(self, key: str, version_id: str | None = None) -> ObjectInfo:
        """See `ObjectStore`."""
        return self._found(key, version_id).info

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """See `ObjectStore`."""
        if start >= end:
            raise ValueError(f"{key}: from {start} to {end} there are no bytes")
        data = self._matching(key, version_id, if_match).data
        if start >= len(data):
            raise ObjectChanged(f"{key} has {len(data)} bytes, not {start}")
        return data[start:end]

    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """See `ObjectStore`."""
        data = self._matching(key, version_id, if_match).data
        if len(data) > max_bytes:
            raise ObjectTooLarge(f"{key} has {len(data)} bytes")
        return data

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """See `ObjectStore`."""
        parts = key.split("/")
        too_long = any(len(part.encode()) > LONGEST_NAME for part in parts)
        if too_long or "\0" in key or {".", ".."} & set(parts):
            raise StoreError(f"{key!r} is no name to keep an object under")
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        info = ObjectInfo(key, etag, len(data), None, self._clock(), content_type)
        self.objects[key] = Stored(info, data)
        self._on_put(info)
        return etag

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        """See `ObjectStore`."""
        keys = sorted(
            key for key in self.objects if key.startswith(prefix) and key > (start_after or "")
        )
        for first in range(0, len(keys), PAGE):
            yield [self.objects[key].info for key in keys[first : first + PAGE]]

    def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        self.objects.pop(key, None)

    def presigned_put(
        self,
        key: str,
        expires: timedelta,
        content_type: str | None = None,
        size: int | None = None,
    ) -> str:
        """Not part of the model: links are for HTTP clients."""
        _no_links(key, expires, content_type, size)

    def presigned_get(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        """Not part of the model: links are for HTTP clients."""
        _no_links(key, expires, filename)

    def _found(self, key: str, version_id: str | None) -> Stored:
        stored = self.objects.get(key)
        if stored is None or version_id is not None:
            raise ObjectMissing(f"there is no {key}")
        return stored

    def _matching(self, key: str, version_id: str | None, if_match: str | None) -> Stored:
        stored = self._found(key, version_id)
        if if_match not in (None, stored.info.etag):
            raise ObjectChanged(f"{key} has the ETag {stored.info.etag}, not {if_match}")
        return stored


def _no_links(*what: object) -> NoReturn:
    raise AssertionError(f"the model makes no links: {what}")
