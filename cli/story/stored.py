"""What the object store has of one job: its source, its result, or the file that says why not."""

from dataclasses import dataclass

from domain.jobs.model import Job, StoredObject
from infra.stored_objects import ObjectMissing, ObjectStore, StoreError
from schemas import keys
from schemas.states import TERMINAL, JobState, Origin


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One object of the job: what it is, where, and how it was found there.

    `found`: there; missing; another (its ETag is not the one on record); unknown (the store
    does not say; `detail` tells why).
    """

    what: str
    key: str
    found: str
    etag: str | None
    size: int | None
    detail: str = ""


def stored(store: ObjectStore, job: Job) -> list[StoredFile]:
    """Ask the store for everything of the job that should be there."""
    files = [_look(store, "source", job.source)]
    if job.mask is not None:
        files.append(_look(store, "mask", job.mask))
    if job.result is not None:
        files.append(_look(store, "result", StoredObject(job.result.key, job.result.etag)))
    elif job.origin is Origin.OBJECT and job.state in TERMINAL - {JobState.SUCCEEDED}:
        files.append(
            _look(store, "problem", StoredObject(keys.problem_key(job.source.key, job.id), ""))
        )
    return files


def _look(store: ObjectStore, what: str, wanted: StoredObject) -> StoredFile:
    try:
        info = store.head(wanted.key, wanted.version_id)
    except ObjectMissing:
        return StoredFile(what, wanted.key, "missing", None, None)
    except StoreError as error:
        return StoredFile(what, wanted.key, "unknown", None, None, str(error))
    same = wanted.etag in ("", info.etag)
    return StoredFile(what, wanted.key, "there" if same else "another", info.etag, info.size)
