"""What the pipeline needs of an object store, and nothing else.

StoreError                 the store refused, and will again
├── ObjectMissing          there is no such object (404)
├── ObjectChanged          it is no longer the one that was meant (412)
├── ObjectTooLarge         it has more bytes than the caller takes
├── AccessDenied           the credentials do not allow it (403)
└── StoreUnavailable       no answer, or one that says "later": worth trying again
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

PAGE = 1000
"""Objects in one page of a listing, at most."""


class StoreError(Exception):
    """The store refused a request; the message says which and why."""


class ObjectMissing(StoreError):  # noqa: N818 - named by what it says of the object
    """There is no object under that key, or not that version of it."""


class ObjectChanged(StoreError):  # noqa: N818 - as above
    """The object no longer has the ETag it was expected to have."""


class ObjectTooLarge(StoreError):  # noqa: N818 - as above
    """The object has more bytes than the caller takes."""


class AccessDenied(StoreError):  # noqa: N818 - as above
    """The credentials are wrong, or do not allow this."""


class StoreUnavailable(StoreError):  # noqa: N818 - as above
    """The store is away or overloaded, or lacks its bucket; nothing is known of the object."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store tells of an object: `etag` unquoted, `size` in bytes.

    A listing tells neither `version_id` nor `content_type`.
    """

    key: str
    etag: str
    size: int
    version_id: str | None
    last_modified: datetime
    content_type: str | None


class ObjectStore(Protocol):
    """One bucket. Every method may be called from any thread, and raises `StoreError`s."""

    @property
    def bucket(self) -> str:
        """The bucket's name, part of every object's identity."""
        ...

    def head(self, key: str, version_id: str | None = None) -> ObjectInfo:
        """Return what the store tells of an object, or of one version of it."""
        ...

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """Return the bytes from `start` up to, without, `end`; fewer where the object ends.

        Raises `ObjectChanged` when its ETag is not `if_match`, or it ends before `start`.
        """
        ...

    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """Return a whole object.

        Raises `ObjectChanged` when its ETag is not `if_match`, and `ObjectTooLarge`,
        without reading it, when it has over `max_bytes`.
        """
        ...

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store an object in one request, over any older one; return its ETag, unquoted."""
        ...

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        """Yield the objects under `prefix`, in order of their keys, `PAGE` at a time.

        Only those after the key `start_after`, when given. Markers of folders are left out.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object; no error when there is none."""
        ...

    def presigned_put(
        self,
        key: str,
        expires: timedelta,
        content_type: str | None = None,
        size: int | None = None,
    ) -> str:
        """Return a link by which anybody may PUT this object until it expires.

        With `content_type` and `size` the store refuses a request whose `Content-Type` or
        `Content-Length` is another. Makes no request.
        """
        ...

    def presigned_get(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        """Return a link by which anybody may GET this object until it expires.

        With `filename` browsers save it under that name. Makes no request.
        """
        ...
