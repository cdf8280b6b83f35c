"""The object store by minio-py, for any server that speaks S3."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from minio import Minio
from minio.datatypes import Object
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from typing_extensions import override
from urllib3.exceptions import HTTPError

from infra import metrics
from infra.presigned_url import Signer
from infra.steady_http import SteadyPool
from infra.stored_objects import (
    PAGE,
    AccessDenied,
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
    StoreError,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from infra.settings import Settings

__all__ = [
    "PAGE",
    "PART_BYTES",
    "AccessDenied",
    "ObjectChanged",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectStore",
    "ObjectTooLarge",
    "S3ObjectStore",
    "StoreError",
    "StoreUnavailable",
    "from_settings",
]

OnBytes = Callable[[int], None]

PART_BYTES = 16 * 1024 * 1024
"""Size of the parts that `put_file` sends; a multipart ETag depends on it."""

_CHUNK = 256 * 1024
_SMALLEST_PART = 5 * 1024**2
"""The least that minio-py lets a part be."""

_UNAVAILABLE, _DENIED, _OTHER = (
    metrics.STORE_ERRORS.labels(kind) for kind in ("unavailable", "denied", "other")
)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_KINDS: dict[int, type[StoreError]] = {
    HTTPStatus.FORBIDDEN: AccessDenied,
    HTTPStatus.NOT_FOUND: ObjectMissing,
    HTTPStatus.PRECONDITION_FAILED: ObjectChanged,
    # An object that ends before the range has become shorter.
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: ObjectChanged,
}


class S3ObjectStore(ObjectStore):
    """A bucket of an S3 store, by minio-py; see `ObjectStore`.

    `connections` is the number kept open: as many threads can call at once without
    waiting. A refused connection is an error at once, a silent store after two times 20 s,
    however long a transfer takes that moves; a connection that the store closed meanwhile is
    replaced within the call.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        region: str = "us-east-1",
        public_endpoint: str | None = None,
        connections: int = 16,
    ) -> None:
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.netloc or address.path.strip("/"):
            raise ValueError(f"endpoint {endpoint!r} is not of the form http(s)://host:port")
        self._bucket = bucket
        self._pool = SteadyPool(connections=connections)
        self._client = Minio(
            address.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=address.scheme == "https",
            region=region,
            http_client=self._pool,
        )
        self._signer = Signer(public_endpoint or endpoint, access_key, secret_key, region)

    def close(self) -> None:
        """Close the connections that are kept open; the next call opens new ones."""
        self._pool.clear()

    @property
    @override
    def bucket(self) -> str:
        return self._bucket

    @override
    def head(self, key: str, version_id: str | None = None) -> ObjectInfo:
        with _told(key):
            return _info(self._client.stat_object(self._bucket, key, version_id=version_id))

    @override
    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        if not 0 <= start < end:
            raise ValueError(f"no bytes between {start} and {end}")
        with self._response(key, if_match, version_id, start, end - start) as response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                raise StoreError(f"{key}: the store ignores ranges ({response.status})")
            return response.read()

    @override
    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        with self._response(key, if_match, version_id) as response:
            size = response.headers.get("content-length")
            if size is None:
                raise StoreError(f"{key}: the store does not tell the size")
            if int(size) > max_bytes:
                raise ObjectTooLarge(f"{key} has {size} bytes, {max_bytes} are taken")
            return response.read()

    def stream(self, key: str, *, if_match: str | None = None) -> Iterator[bytes]:
        """Yield a whole object of any size, in chunks."""
        with self._response(key, if_match, None) as response:
            yield from response.stream(_CHUNK)

    @override
    def put(self, key: str, data: bytes, content_type: str) -> str:
        # One part as large as the data: a result has a plain ETag, and appears at once.
        part = max(len(data), _SMALLEST_PART)
        with _told(key):
            stored = self._client.put_object(
                self._bucket, key, io.BytesIO(data), len(data), content_type, part_size=part
            )
        return _unquoted(stored.etag)

    def put_file(
        self, key: str, path: Path, content_type: str, on_bytes: OnBytes | None = None
    ) -> str:
        """Store a file, in parts of `PART_BYTES` when it is larger; return its ETag, unquoted.

        Nothing appears in the store before the last part is there. `on_bytes` is told how
        many more bytes have been taken from the file.
        """
        with _told(key), path.open("rb") as file:
            stored = self._client.put_object(
                self._bucket,
                key,
                file,
                path.stat().st_size,
                content_type,
                progress=_Progress(on_bytes) if on_bytes else None,
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )
        return _unquoted(stored.etag)

    @override
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        found = self._client.list_objects(
            self._bucket, prefix, recursive=True, start_after=start_after
        )
        while True:
            with _told(prefix):
                page = list(itertools.islice(found, PAGE))
            if not page:
                return
            yield [_info(each) for each in page if not each.is_dir]

    @override
    def delete(self, key: str) -> None:
        with _told(key):
            self._client.remove_object(self._bucket, key)

    @override
    def presigned_put(
        self,
        key: str,
        expires: timedelta,
        content_type: str | None = None,
        size: int | None = None,
    ) -> str:
        headers = {
            "Content-Type": content_type,
            "Content-Length": None if size is None else str(size),
        }
        signed = {name: value for name, value in headers.items() if value is not None}
        return self._signer.sign("PUT", self._bucket, key, expires, headers=signed, query={})

    @override
    def presigned_get(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        query = {}
        if filename is not None:
            disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
            query["response-content-disposition"] = disposition
        return self._signer.sign("GET", self._bucket, key, expires, headers={}, query=query)

    @contextmanager
    def _response(
        self,
        key: str,
        if_match: str | None,
        version_id: str | None,
        offset: int = 0,
        length: int = 0,
    ) -> Iterator[BaseHTTPResponse]:
        """Give an object's response, unread; its connection goes back to the pool after."""
        with _told(key):
            response = self._client.get_object(
                self._bucket,
                key,
                offset=offset,
                length=length,
                request_headers=_conditions(if_match),
                version_id=version_id,
            )
            try:
                yield response
            finally:
                response.close()
                response.release_conn()


class _Progress:
    """The shape in which minio-py tells of bytes."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self.update = on_bytes

    def set_meta(self, object_name: str, total_length: int) -> None:
        """minio-py tells the name and length first; both are known."""


def from_settings(settings: Settings, *, connections: int = 16) -> S3ObjectStore:
    """Return the store that the settings name; makes no request."""
    return S3ObjectStore(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        bucket=settings.bucket,
        region=settings.s3_region,
        public_endpoint=settings.s3_public_endpoint,
        connections=connections,
    )


def _conditions(if_match: str | None) -> dict[str, str | list[str] | tuple[str]]:
    return {} if if_match is None else {"If-Match": f'"{if_match}"'}


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the errors of minio-py and urllib3 into `StoreError`s, and count what is no answer."""
    try:
        with _typed(what):
            yield
    except (ObjectMissing, ObjectChanged, ObjectTooLarge):
        raise
    except StoreUnavailable:
        _UNAVAILABLE.inc()
        raise
    except AccessDenied:
        _DENIED.inc()
        raise
    except StoreError:
        _OTHER.inc()
        raise


@contextmanager
def _typed(what: str) -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        raise StoreUnavailable(f"{what}: the store does not answer: {error}") from error
    except S3Error as error:
        kind = _kind(error.response.status, error.code)
        raise kind(f"{what}: {error.code}: {error.message}") from error
    except ServerError as error:
        raise _kind(error.status_code, None)(f"{what}: {error}") from error
    except InvalidResponseError as error:
        # A page of HTML instead of S3's XML: what stands before the store is speaking.
        raise StoreUnavailable(f"{what}: {error}") from error
    except (MinioException, ValueError) as error:
        raise StoreError(f"{what}: {error}") from error


def _kind(status: int, code: str | None) -> type[StoreError]:
    if code == "NoSuchBucket" or status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnavailable
    return _KINDS.get(status, StoreError)


def _info(found: Object) -> ObjectInfo:
    if found.object_name is None or found.size is None or found.last_modified is None:
        raise StoreError(f"the store tells neither name, size nor time of {found!r}")
    return ObjectInfo(
        key=found.object_name,
        etag=_unquoted(found.etag),
        size=found.size,
        version_id=None if found.version_id == "null" else found.version_id,
        last_modified=found.last_modified,
        content_type=found.content_type,
    )


def _unquoted(etag: str | None) -> str:
    return (etag or "").strip('"')
