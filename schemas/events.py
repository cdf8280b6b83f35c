"""Events: CloudEvents 1.0 in structured JSON mode, and the data of each type.

Readers deduplicate on `id` and order a job's events by `version`. A new field is always
optional; a changed meaning is a new type.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas import ids
from schemas.decisions import LimitReached
from schemas.errors import ErrorCode
from schemas.ids import AccountId, EventId, JobId
from schemas.newer import newer_head, newer_than_this
from schemas.operations import ImageFormat, OperationName
from schemas.states import Actor, JobState, Origin

SOURCE = "picmend"

AccountIdField = Annotated[AccountId, Field(pattern=ids.ACCOUNT_ID_PATTERN)]
JobIdField = Annotated[JobId, Field(pattern=ids.JOB_ID_PATTERN)]
ObjectKey = Annotated[str, Field(min_length=1, max_length=1024)]
KeyPart = Annotated[str, Field(max_length=1024)]
"""What stands somewhere in a key; empty where nothing does."""
ShortText = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(max_length=255)]
"""What a part of the system, or an object store, calls something."""
Slug = Annotated[str, Field(max_length=40, pattern="^[a-z0-9_]*$")]
"""A stable name of one of a few things, such as a warning."""
ETag = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""What a `bigint` column holds."""
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class UnreadableEventError(ValueError):
    """A message that is not the event its topic carries, and never will be."""


class NewerEventError(UnreadableEventError):
    """An event that a newer version of picmend wrote, and that this one cannot understand."""


class EventData(BaseModel):
    """What every event's data has in common: its type, and tolerance of newer fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    TYPE: ClassVar[str]


class HeaderFacts(EventData):
    """What a picture's header says: its format and its size in pixels, as stored.

    `frames` is 2 where the header tells only that there are several.
    """

    format: ImageFormat
    width: int = Field(gt=0, lt=2**31)
    height: int = Field(gt=0, lt=2**31)
    has_alpha: bool = False
    frames: int = Field(default=1, gt=0, lt=2**32)


class MaskSource(EventData):
    """The second picture of an inpainting job."""

    key: ObjectKey
    etag: ETag
    version_id: KeyPart | None = None
    size: Count


class Unreadable(EventData):
    """Why a source gave no header facts."""

    code: ErrorCode
    detail: ShortText = ""


class JobRequested(EventData):
    """An object was uploaded; its job waits to be decided."""

    TYPE: ClassVar[str] = "picmend.job.requested"

    job_id: JobIdField
    account_id: str = Field(max_length=1024, description="As the key names it; may not exist")
    preset: str = Field(max_length=1024, description="As the key names it; may not exist")
    bucket: Name
    key: ObjectKey
    etag: ETag
    version_id: KeyPart | None = None
    size: Count
    header: HeaderFacts | None = None
    mask: MaskSource | None = None
    problem: Unreadable | None = None
    found_by: Literal["event", "reconciler"]
    uploaded_at: AwareDatetime


class WorkDispatched(EventData):
    """An attempt of a job is for any worker to claim. A hint: the database is the truth."""

    TYPE: ClassVar[str] = "picmend.work.dispatched"

    job_id: JobIdField
    attempt: int = Field(ge=1, lt=2**31)
    operation: OperationName


class StoredResult(EventData):
    """A result as it lies in the object store."""

    key: ObjectKey
    etag: ETag
    size: Count
    media_type: Name
    width: Count | None = None
    height: Count | None = None


class ModelUsed(EventData):
    """A network or algorithm that took part, and the sha256 of its weights where it has any."""

    name: str = Field(max_length=64, pattern="^[a-z0-9.-]+$")
    weights_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", max_length=64)


class WorkReport(EventData):
    """How a result was made: for analysts and support; nothing is priced by it.

    `models` are all that took part, in order; `model` and `weights_sha256` are the last of them.
    """

    model: Name | None = None
    weights_sha256: Name | None = None
    models: list[ModelUsed] = Field(default_factory=list, max_length=8)
    tiles: Count | None = None
    precision: Name | None = None
    device: Name | None = None
    phases_ms: dict[Name, float] = Field(default_factory=dict, max_length=8)
    warnings: list[Slug] = Field(default_factory=list, max_length=16)


class WorkFinished(EventData):
    """A worker ended an attempt."""

    TYPE: ClassVar[str] = "picmend.work.finished"

    job_id: JobIdField
    attempt: int = Field(ge=1, lt=2**31)
    outcome: Literal["succeeded", "failed", "refused", "cancelled"]
    code: ErrorCode | None = None
    detail: ShortText = ""
    result: StoredResult | None = None
    report: WorkReport | None = None
    worker: Name
    started_at: AwareDatetime
    finished_at: AwareDatetime
    source_sha256: str | None = Field(
        None,
        max_length=64,
        pattern="^[0-9a-f]{64}$",
        description="Of the source's bytes, if they were read",
    )


class UsageRecorded(EventData):
    """A job that held money has ended; its hold is to be captured or released."""

    TYPE: ClassVar[str] = "picmend.usage.recorded"

    job_id: JobIdField
    account_id: AccountIdField
    operation: OperationName
    preset: Name | None = None
    outcome: JobState
    code: ErrorCode | None = None
    amount: Count = Field(description="The hold, in minor units: charged when succeeded")
    unit: Name
    environment: Name
    requested_at: AwareDatetime | None = Field(None, description="Uploaded, or asked for")
    admitted_at: AwareDatetime
    ended_at: AwareDatetime
    input_bytes: Count
    input_pixels: Count
    output_bytes: Count | None = None
    output_pixels: Count | None = None
    duration_ms: Count | None = Field(None, description="From the claim to the result")


class UsageToBill(UsageRecorded):
    """A usage event as billing reads it: money does not depend on what was done, or why not.

    So an operation or an error code that only a newer version knows holds no money up.
    """

    operation: Name  # type: ignore[assignment]  # wider on purpose: any name is taken
    code: Name | None = None  # type: ignore[assignment]  # wider on purpose, too


class JobChanged(EventData):
    """A job moved to another state; the event's type ends in that state."""

    TYPE: ClassVar[str] = "picmend.job.changed"

    job_id: JobIdField
    account_id: KeyPart
    version: int = Field(ge=1, lt=2**31)
    state: JobState
    attempt: int = Field(ge=0, lt=2**31)
    by: Actor
    at: AwareDatetime
    origin: Origin
    code: ErrorCode | None = None
    detail: ShortText = ""
    operation: OperationName | None = None
    preset: KeyPart | None = None
    source_key: ObjectKey | None = None
    result_key: ObjectKey | None = None
    limit: LimitReached | None = Field(None, description="The limit that refused the job")


class AbuseFound(EventData):
    """A rule against misuse found something."""

    TYPE: ClassVar[str] = "picmend.abuse.found"

    finding_id: Name
    account_id: AccountIdField | None = Field(
        None, description="Whose it is; null: of a network, whose accounts are not known"
    )
    kind: Literal["account", "key", "network"]
    subject: Name = Field(description="The account's id, the key's id, or the network as CIDR")
    rule: Name
    version: int = Field(ge=0, lt=2**31, description="Of the rule's parameters")
    mode: Literal["shadow", "enforced"]
    severity: Literal["low", "medium", "high"]
    level: int = Field(0, ge=0, lt=2**31, description="Which step of the rule's ladder, from 0")
    step: Literal["flag", "slow_down", "review", "suspend_operation", "suspend_account"]
    error: ShortText | None = Field(None, description="The rule itself failed, and how")
    samples: list[JobIdField] = Field(default_factory=list, max_length=3)
    window_start: AwareDatetime
    window_end: AwareDatetime
    evidence: dict[Name, Whole | float | Name] = Field(max_length=8)


D = TypeVar("D", bound=EventData)


class Event(BaseModel, Generic[D]):
    """The CloudEvents envelope, version 1.0, of one event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[EventId, Field(max_length=255)]
    source: Name = SOURCE
    type: Name
    subject: Name
    time: AwareDatetime
    dataschema: Name
    datacontenttype: Literal["application/json"] = "application/json"
    partitionkey: KeyPart
    traceparent: Name | None = Field(None, description="The job's trace, and its root span")
    data: D

    def encode(self) -> bytes:
        """Return the message body: compact UTF-8 JSON."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the event in a message body.

        Raises `UnreadableEventError` for anything else: another type, a wrong or missing
        field, or a U+0000, which no table can hold; and `NewerEventError`, which is one of
        them, for what only a newer version can read (see `schemas.newer`).
        """
        try:
            event = cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the message"
            if why := newer_than_this(raw, error, known=_known_types()):
                raise NewerEventError(why) from error
            raise UnreadableEventError(f"{where}: {first['msg']}") from error
        if b"\\u0000" in raw and "\0" in _texts(event.model_dump(mode="json")):
            raise UnreadableEventError("the message holds U+0000")
        if why := newer_head(event.type, event.dataschema, known=_known_types()):
            raise NewerEventError(why)
        if not _type_fits(event.type, event.data):
            raise UnreadableEventError(f"type: {event.type!r} is not {event.data.TYPE!r}")
        return event


def _texts(value: object) -> str:
    match value:
        case str():
            return value
        case dict():
            return "".join(_texts(key) + _texts(item) for key, item in value.items())
        case list():
            return "".join(_texts(item) for item in value)
        case _:
            return ""


@cache
def _known_types() -> frozenset[str]:
    one_each = (JobRequested, WorkDispatched, WorkFinished, UsageRecorded, AbuseFound)
    transitions = {f"picmend.job.{state}" for state in JobState}
    return frozenset({data.TYPE for data in one_each} | transitions)


def _type_fits(type_: str, data: EventData) -> bool:
    if isinstance(data, JobChanged):
        return type_ == f"picmend.job.{data.state}"
    return type_ == data.TYPE


def dataschema(data: type[EventData]) -> str:
    """Return the `dataschema` of an event: the URN of its JSON Schema in `schemas/json`."""
    return f"urn:picmend:schema:{data.TYPE}:1"


def _event(
    envelope: type[Event[D]],
    data: D,
    *,
    id_: EventId,
    job: JobId,
    time: datetime,
    partitionkey: str,
    type_: str = "",
) -> Event[D]:
    return envelope(
        id=id_,
        type=type_ or data.TYPE,
        subject=job,
        time=time,
        dataschema=dataschema(type(data)),
        partitionkey=partitionkey,
        traceparent=ids.traceparent(job),
        data=data,
    )


def job_requested(data: JobRequested, *, at: datetime) -> Event[JobRequested]:
    """Return the event that asks for a job."""
    return _event(
        Event[JobRequested],
        data,
        id_=ids.requested_event_id(data.job_id),
        job=data.job_id,
        time=at,
        partitionkey=data.account_id,
    )


def work_dispatched(data: WorkDispatched, *, at: datetime) -> Event[WorkDispatched]:
    """Return the event that hands an attempt to the workers."""
    return _event(
        Event[WorkDispatched],
        data,
        id_=ids.dispatched_event_id(data.job_id, data.attempt),
        job=data.job_id,
        time=at,
        partitionkey=data.job_id,
    )


def work_finished(data: WorkFinished) -> Event[WorkFinished]:
    """Return the event by which a worker reports an attempt."""
    return _event(
        Event[WorkFinished],
        data,
        id_=ids.finished_event_id(data.job_id, data.attempt),
        job=data.job_id,
        time=data.finished_at,
        partitionkey=data.job_id,
    )


def usage_recorded(data: UsageRecorded) -> Event[UsageRecorded]:
    """Return a job's one usage event."""
    return _event(
        Event[UsageRecorded],
        data,
        id_=ids.usage_event_id(data.job_id),
        job=data.job_id,
        time=data.ended_at,
        partitionkey=data.account_id,
    )


def job_changed(data: JobChanged) -> Event[JobChanged]:
    """Return the event that tells of one transition of a job."""
    return _event(
        Event[JobChanged],
        data,
        id_=ids.transition_event_id(data.job_id, data.version),
        job=data.job_id,
        time=data.at,
        partitionkey=data.account_id,
        type_=f"picmend.job.{data.state}",
    )


def abuse_found(data: AbuseFound, *, at: datetime) -> Event[AbuseFound]:
    """Return the event of one step that a finding takes; an account's lie beside its others."""
    return Event[AbuseFound](
        id=EventId(f"{data.finding_id}.{data.level}"),
        type=data.TYPE,
        subject=data.finding_id,
        time=at,
        dataschema=dataschema(AbuseFound),
        partitionkey=data.account_id or data.subject,
        data=data,
    )
