"""Jobs, as values, and which transition is legal."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from domain.jobs.moves import MOVES
from schemas import keys
from schemas.decisions import LimitReached
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId
from schemas.operations import ImageFormat, OperationName, Parameters
from schemas.states import TERMINAL, Actor, JobState, Origin


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object: what to fetch, and the ETag that it must still have."""

    key: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a source's header said: format and size in pixels as stored.

    `frames` is asked by admission alone, and 1 for a job that was admitted.
    """

    format: ImageFormat
    width: int
    height: int
    has_alpha: bool
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Return how many pixels the picture has."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Result:
    """What a job made, as it lies in the object store."""

    key: str
    etag: str
    size: int
    media_type: str
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class Job:
    """One row of `jobs`. Amounts are minor units of `unit`; times are aware.

    `quota_day` is the local day on which it was counted against quotas, None when it was not;
    `limit` is the one that refused it; `source_sha256` is of the bytes that a worker read.
    """

    id: JobId
    seq: int
    account_id: AccountId
    origin: Origin
    environment: str
    retry_of: JobId | None
    preset: str | None
    parameters: Parameters | None
    bucket: str
    source: StoredObject
    source_bytes: int
    mask: StoredObject | None
    header: Header | None
    state: JobState
    version: int
    attempt: int
    lease_losses: int
    code: ErrorCode | None
    detail: str
    cancel_requested: bool
    worker: str | None
    lease_until: datetime | None
    amount: int | None
    unit: str | None
    requested_at: datetime
    admitted_at: datetime
    expires_at: datetime
    dispatched_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    result: Result | None
    report: dict[str, Any] | None
    priority: int = 0
    quota_day: date | None = None
    limit: LimitReached | None = None
    source_sha256: bytes | None = None

    @property
    def operation(self) -> OperationName | None:
        """Return the operation, or None for a job that was rejected before it had one."""
        return OperationName(self.parameters.operation) if self.parameters else None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that has been decided and has no row yet."""

    id: JobId
    account_id: str
    origin: Origin
    environment: str
    retry_of: JobId | None
    preset: str | None
    parameters: Parameters | None
    bucket: str
    source: StoredObject
    source_bytes: int
    mask: StoredObject | None
    header: Header | None
    state: JobState
    code: ErrorCode | None
    detail: str
    amount: int | None
    unit: str | None
    requested_at: datetime
    admitted_at: datetime
    expires_at: datetime
    priority: int = 0
    quota_day: date | None = None
    limit: LimitReached | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How somebody says that a job ended. `attempt` fences a worker's word."""

    job_id: JobId
    to: JobState
    by: Actor
    attempt: int | None = None
    code: ErrorCode | None = None
    detail: str = ""
    result: Result | None = None
    report: dict[str, Any] | None = None
    source_sha256: bytes | None = None


_STARTED = frozenset({JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING})


def may_end(job: Job, ending: Ending) -> bool:
    """Tell whether a job may end so, from where it stands.

    A success counts whatever attempt brought it: the work is done. Any other word of a
    worker counts only for the attempt that runs.
    """
    if ending.to not in TERMINAL or (job.state, ending.to, ending.by) not in MOVES:
        return False
    fenced = ending.by is Actor.RESULTS and ending.to is not JobState.SUCCEEDED
    return not fenced or ending.attempt == job.attempt


def holds_money(job: Job) -> bool:
    """Tell whether a job that has not ended has a hold: from `queued` on, each has."""
    return job.state in _STARTED


def gives_back(before: Job, ended: Job) -> bool:
    """Tell whether a job's share of the quotas goes back: it was counted, and came to nothing.

    So it is for one that failed, and for one that ended before its work began. What was
    refused for its content, or stopped while it ran, has used its share.
    """
    if before.quota_day is None:
        return False
    if ended.state is JobState.FAILED:
        return True
    never_began = before.state in {JobState.REVIEW, JobState.QUEUED, JobState.DISPATCHED}
    return never_began and ended.state is not JobState.SUCCEEDED


def result_key(job: Job, extension: str) -> str:
    """Return where the result of a job goes; `extension` has no dot."""
    if job.origin is Origin.API:
        return keys.api_result_key(job.account_id, job.id, extension)
    match keys.parse_upload_key(job.source.key):
        case keys.UploadKey() as upload:
            return keys.result_key(upload, job.id, extension)
        case _:
            raise ValueError(f"{job.id} has no place for a result: its key is {job.source.key!r}")
