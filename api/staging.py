"""The files of a request in the object store, and what the picture's header says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from api.errors import UploadMissingError
from api.orders import Sent, Source, Uploaded
from domain.jobs.model import Header, StoredObject
from domain.pipeline.resolve import SourceProblem
from infra import logs
from infra.stored_objects import ObjectChanged, ObjectMissing, ObjectStore, StoreError
from processors.images.errors import ImageRefused
from processors.images.header import read_header
from schemas import keys
from schemas.errors import ErrorCode
from schemas.ids import AccountId, new_upload_id
from schemas.problems import FieldError

_LOG = logs.logger("api.staging")
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Staged:
    """A file as it lies in the store, and a way to read a range of exactly these bytes."""

    object: StoredObject
    size: int
    fetch: Callable[[int, int], bytes]


class Staging:
    """Puts an account's files under `staged/`; those put here are deleted unless kept."""

    def __init__(self, store: ObjectStore, account_id: AccountId) -> None:
        self._store = store
        self._account_id = account_id
        self._put: list[str] = []

    def place(self, source: Source, field: str) -> Staged:
        """Return a file as it lies in the store, putting it there if it came along.

        Raises `UploadMissingError`, naming `field`, and `StoreError`.
        """
        match source:
            case Sent():
                return self._place_sent(source)
            case Uploaded():
                return self._place_uploaded(source, field)

    def keep(self, key: str) -> None:
        """Leave what was put if the object of this key is among it: a job has taken it."""
        if key in self._put:
            self._put.clear()

    def clear(self) -> None:
        """Delete what was put and is not kept; what the store will not delete now, ages out."""
        for key in self._put:
            try:
                self._store.delete(key)
            except StoreError as error:
                _LOG.warning("staged_file_left", key=key, error=str(error))

    def _place_sent(self, source: Sent) -> Staged:
        source.file.seek(0)
        data = source.file.read()
        key = keys.staged_key(self._account_id, new_upload_id())
        etag = self._store.put(key, data, _UNKNOWN_TYPE)
        self._put.append(key)
        return Staged(StoredObject(key, etag), len(data), lambda start, end: data[start:end])

    def _place_uploaded(self, source: Uploaded, field: str) -> Staged:
        key = keys.staged_key(self._account_id, source.upload_id)
        try:
            found = self._store.head(key)
        except ObjectMissing as error:
            raise UploadMissingError(
                f"nothing was uploaded under {source.upload_id}",
                errors=[FieldError(field=field, message="nothing was uploaded under it")],
            ) from error

        def fetch(start: int, end: int) -> bytes:
            return self._store.get_range(
                key, start, end, if_match=found.etag, version_id=found.version_id
            )

        return Staged(StoredObject(key, found.etag, found.version_id), found.size, fetch)


@contextmanager
def staging(store: ObjectStore, account_id: AccountId) -> Iterator[Staging]:
    """Give a place for a request's files; what no job has taken at the end is deleted.

    When the database was lost, a job may have been committed all the same: then nothing is
    deleted, and what nobody wants ages out.
    """
    place = Staging(store, account_id)
    try:
        yield place
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except BaseException:
        place.clear()
        raise
    place.clear()


def header_facts(staged: Staged, mask: Staged | None, *, max_bytes: int) -> Header | SourceProblem:
    """Return what a picture's header says, or why it says nothing.

    No picture or mask of more than `max_bytes`, as a link may have been given, is taken.
    Raises `StoreError` when the store does not answer.
    """
    for name, file in (("picture", staged), ("mask", mask)):
        if file is not None and file.size > max_bytes:
            detail = f"the {name} has {file.size} bytes; {max_bytes} are taken"
            return SourceProblem(ErrorCode.FILE_TOO_LARGE, detail)
    try:
        facts = read_header(staged.fetch, staged.size)
    except ImageRefused as error:
        return SourceProblem(error.code, str(error))
    except (ObjectMissing, ObjectChanged) as error:
        return SourceProblem(ErrorCode.SOURCE_CHANGED, str(error))
    return Header(facts.format, facts.width, facts.height, facts.has_alpha, facts.frames_hint)
