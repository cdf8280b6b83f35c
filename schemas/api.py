"""Resources of the HTTP API: what requests may hold, and what answers hold.

Amounts are whole numbers of a unit's minor part (CNY: 1/10000 yuan); times are UTC. An answer
may get further members; clients ignore those they do not know.
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.ids import UPLOAD_ID_PATTERN, AccountId, JobId, UploadId
from schemas.operations import ImageFormat, OperationName, Parameters
from schemas.states import JobState, Origin


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("U+0000 is not allowed")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
"""Text that a table can hold."""

Priority = Annotated[int, Field(ge=-100, le=100)]

UploadIdField = Annotated[UploadId, Field(pattern=UPLOAD_ID_PATTERN)]


class _Request(BaseModel):
    """A misspelt member of a request is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class UploadRequest(_Request):
    """What is about to be uploaded. Nothing need be said of it."""

    size: int | None = Field(
        None, ge=1, description="Bytes; the link then takes exactly so many, and no others"
    )


class Upload(_Answer):
    """Where to PUT a file, before a job names it by `upload_id`."""

    upload_id: UploadId
    url: str = Field(description="PUT the file's bytes here; the link is its own permission")
    expires_at: AwareDatetime = Field(description="Until when the link takes a file")
    max_bytes: int = Field(description="A larger file is refused when a job names it")


class WorkWanted(_Request):
    """What is to be done: a preset, or an operation with its parameters."""

    preset: Annotated[Text, Field(min_length=1, max_length=63)] | None = None
    operation: OperationName | None = None
    parameters: dict[str, JsonValue] | None = Field(
        None, description="Those of `operation`; what is left out has its default"
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When to give up if the job has not begun; 7 days by default, and at most"
    )
    priority: Priority | None = Field(
        None, description="Its place among the account's own jobs: higher goes first; 0 by default"
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.preset is None) == (self.operation is None):
            raise ValueError("name either a preset or an operation")
        if self.parameters is not None and self.operation is None:
            raise ValueError("parameters go with an operation, not with a preset")
        return self


class JobRequest(WorkWanted):
    """A job on files that were uploaded before."""

    upload_id: UploadIdField
    mask_upload_id: UploadIdField | None = Field(
        None, description="A second picture of the same size: white is filled"
    )


class JobChange(_Request):
    """What is to be changed of a job that waits. What is left out stays as it is."""

    priority: Priority | None = Field(None, description="Higher goes first")
    expires_at: AwareDatetime | None = Field(
        None, description="When to give up if the job has not begun"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.priority is None and self.expires_at is None:
            raise ValueError("name priority, expires_at or both")
        return self


class JobTimes(_Answer):
    """When what happened to a job."""

    requested_at: AwareDatetime
    admitted_at: AwareDatetime = Field(description="The time that its price is of")
    expires_at: AwareDatetime = Field(description="When it is given up if it has not begun")
    dispatched_at: AwareDatetime | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class JobSource(_Answer):
    """What is restored. Sizes in pixels are as stored, before any EXIF orientation."""

    key: str
    size: int = Field(description="Bytes")
    format: ImageFormat | None
    width: int | None
    height: int | None


class JobPrice(_Answer):
    """What a job costs. It is held when the job is queued."""

    amount: int
    unit: str
    charged: int | None = Field(
        description="The amount if it succeeded, 0 if it ended otherwise, null until it ends"
    )


class JobProblem(_Answer):
    """Why a job ended without a result, in the language that was asked for."""

    code: ErrorCode
    title: str
    detail: str = Field(description="What happened this time, in English")
    remedy: str


class JobResult(_Answer):
    """What a job made."""

    key: str
    url: str = Field(description="GET the result here; the link is its own permission")
    url_expires_at: AwareDatetime = Field(description="Read the job again for a fresh link")
    media_type: str
    size: int = Field(description="Bytes")
    etag: str
    width: int | None
    height: int | None


class JobPlace(_Answer):
    """Where a job stands among all that wait for its operation, in the order of their turns.

    It changes as others come and go, and as the account orders its own jobs.
    """

    position: int = Field(description="1: it is next")
    at_least: bool = Field(description="Whether it may stand further back: so many were counted")
    estimated_start_at: AwareDatetime | None = Field(
        description="At the pace of the last minutes; null when nothing went, or it may not start"
    )


class JobView(_Answer):
    """A job as it stands. `version` grows by one with every change of state."""

    id: JobId
    state: JobState
    version: int
    origin: Origin
    preset: str | None
    operation: OperationName | None
    parameters: Parameters | None
    source: JobSource
    price: JobPrice | None = Field(description="null for a job that was rejected before it had one")
    times: JobTimes
    cancel_requested: bool
    retry_of: JobId | None
    priority: int
    queue: JobPlace | None = Field(
        None, description="While it is queued, and only where one job is asked for by its id"
    )
    problem: JobProblem | None
    limit: LimitReached | None = Field(
        None, description="The limit that it did not fit in, when that is why it was rejected"
    )
    result: JobResult | None


class JobList(_Answer):
    """A page of jobs, newest first."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = Field(description="For the next page; null on the last")


class JobSummary(_Answer):
    """How many of an account's jobs stand where, and why those without a result have none."""

    total: int
    by_state: dict[JobState, int]
    by_code: dict[ErrorCode, int]


class UsageLine(_Answer):
    """The ended jobs of one operation and day. Days are of UTC, by the time of admission."""

    day: date
    operation: OperationName
    unit: str
    jobs: int = Field(description="Ended jobs, those that failed too")
    succeeded: int
    pixels: int = Field(description="Pixels of the pictures sent for those that succeeded")
    amount: int = Field(description="Charged")


class UsageTotal(_Answer):
    """The sums over a period, of one unit."""

    unit: str
    jobs: int
    succeeded: int
    pixels: int
    amount: int


class Usage(_Answer):
    """What was used in a period; both of its days count."""

    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)

    from_day: date = Field(alias="from")
    to_day: date = Field(alias="to")
    days: tuple[UsageLine, ...]
    totals: tuple[UsageTotal, ...]


class AccountBalance(_Answer):
    """What an account can spend, and what is set aside for its jobs under way."""

    account_id: AccountId
    available: int
    held: int
    unit: str


class LimitStanding(_Answer):
    """A limit of an account, and how it stands to it. Units are the quota's."""

    quota: Quota
    operation: OperationName | None = Field(description="null: of all operations together")
    limit: int | None = Field(description="What is allowed; null: anything")
    used: int | None = Field(
        description="Of this day, this month, or at this moment; null where nothing is counted"
    )
    left: int | None
    resets_at: AwareDatetime | None = Field(
        description="When a day's or a month's quota begins anew"
    )
    until: AwareDatetime | None = Field(
        description="Until when this limit stands for the plan's own; null: no end is set"
    )


class AccountLimits(_Answer):
    """What an account may use. Its days and months are of its time zone."""

    account_id: AccountId
    plan: str
    time_zone: str
    limits: tuple[LimitStanding, ...]


class ErrorEntry(_Answer):
    """A code: what it means and what to do, in the language that was asked for."""

    code: ErrorCode
    type: str
    status: int = Field(description="With which the API answers it")
    title: str
    remedy: str


class ErrorList(_Answer):
    """Every code there is."""

    errors: tuple[ErrorEntry, ...]


class PresetPrice(_Answer):
    """What a job costs today; a price per megapixel counts every started one."""

    amount: int
    unit: str
    per: Literal["megapixel", "job"]


class PresetView(_Answer):
    """Something that can be asked for by name, and the largest picture that it takes."""

    name: str
    operation: OperationName
    parameters: Parameters
    takes_mask: bool = Field(description="Whether a second picture must mark what to fill")
    price: PresetPrice | None = Field(description="null: not to be had in the account's currency")
    max_bytes: int
    max_pixels: int
    max_side: int = Field(description="Pixels")


class PresetList(_Answer):
    """What an account can ask for by name."""

    presets: tuple[PresetView, ...]


class Health(_Answer):
    """The process answers."""

    status: Literal["ok", "ready"]
