"""What an upload or request comes to, before money: a priced job, or a reason against it.

A pure function of what was asked and of what holds.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.accounts.model import Account
from domain.admission.quotas import Limits, image_limit
from domain.admission.restrictions import FREE, Restricted
from domain.catalogue.model import Catalogue, Operation
from domain.jobs.model import Header, StoredObject
from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.operations import (
    IdentityParameters,
    InpaintParameters,
    OperationName,
    Parameters,
    output_format,
    takes_mask_file,
)
from schemas.sizes import MAX_FRAMES, against_reading, against_result
from schemas.states import Origin


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Why nothing is known of a source's pixels."""

    code: ErrorCode
    detail: str
    limit: LimitReached | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that waits to be decided, by whatever path it came.

    Either `preset` names what is wanted or `parameters` says it. `facts` is the source's
    header, or why there is none. `listed`: it was found by a listing, however old it is.
    `review`: it is to be held for review, whatever restricts its account.
    """

    job_id: JobId
    account_id: str
    origin: Origin
    preset: str | None
    parameters: Parameters | None
    bucket: str
    source: StoredObject
    source_bytes: int
    mask: StoredObject | None
    facts: Header | SourceProblem
    requested_at: datetime
    retry_of: JobId | None = None
    expires_at: datetime | None = None
    priority: int = 0
    listed: bool = False
    review: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one account: who it is, if it is, what it may use, and what restricts it."""

    account: Account | None
    limits: Limits = field(default_factory=dict)
    restricted: Restricted = FREE


@dataclass(frozen=True, slots=True)
class ClockWindow:
    """How far behind and ahead of now an upload may be dated that its store tells of."""

    behind: timedelta = timedelta(days=30)
    ahead: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Priced:
    """The job can be done, for this amount in minor units."""

    operation: OperationName
    parameters: Parameters
    header: Header
    amount: int
    unit: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The job cannot be done: a stable code, and what was found. `parameters` if known."""

    code: ErrorCode
    detail: str
    parameters: Parameters | None = None
    limit: LimitReached | None = None


def resolve(
    candidate: Candidate,
    terms: Terms,
    catalogue: Catalogue,
    *,
    at: datetime,
    window: ClockWindow,
) -> Priced | Refusal:
    """Decide what `candidate` comes to at `at`. The first reason against it wins."""
    if isinstance(candidate.facts, SourceProblem) and candidate.facts.code in _KEY_PROBLEMS:
        return Refusal(candidate.facts.code, candidate.facts.detail)
    account = terms.account
    if account is None or not account.may_run:
        return _standing(candidate.account_id, account)
    if (refusal := _against_date(candidate, at, window)) is not None:
        return refusal
    parameters = _parameters(candidate, catalogue)
    if parameters is None:
        return Refusal(
            ErrorCode.PRESET_UNKNOWN, f"{account.id} has no preset {_short(candidate.preset)}"
        )
    operation = catalogue.operations[OperationName(parameters.operation)]
    if (refusal := _against_source(candidate, parameters, operation, terms)) is not None:
        return refusal
    if not isinstance(candidate.facts, Header):
        problem = candidate.facts
        return Refusal(problem.code, problem.detail, parameters, problem.limit)
    amount = catalogue.amount(operation.name, account.unit, candidate.facts.pixels)
    if amount is None:
        return Refusal(
            ErrorCode.PRICE_MISSING, f"{operation.name} has no price in {account.unit}", parameters
        )
    return Priced(operation.name, parameters, candidate.facts, amount, account.unit)


_KEY_PROBLEMS = frozenset({ErrorCode.MALFORMED_KEY, ErrorCode.KEY_TOO_LONG})


def _standing(account_id: str, account: Account | None) -> Refusal:
    if account is None:
        return Refusal(ErrorCode.ACCOUNT_UNKNOWN, f"no account {_short(account_id)}")
    return Refusal(ErrorCode.ACCOUNT_SUSPENDED, f"{account.id} is {account.state}")


def _against_date(candidate: Candidate, at: datetime, window: ClockWindow) -> Refusal | None:
    dated = candidate.requested_at
    if candidate.listed or at - window.behind <= dated <= at + window.ahead:
        return None
    detail = (
        f"it is dated {dated.isoformat()}, and now it is {at.isoformat()}; taken is what is dated"
        f" up to {window.behind} before and {window.ahead} ahead"
    )
    return Refusal(ErrorCode.CLOCK_SKEW, detail)


def _parameters(candidate: Candidate, catalogue: Catalogue) -> Parameters | None:
    if candidate.parameters is not None:
        return candidate.parameters
    preset = catalogue.preset(candidate.account_id, candidate.preset or "")
    return preset.parameters if preset else None


def _against_source(
    candidate: Candidate, parameters: Parameters, operation: Operation, terms: Terms
) -> Refusal | None:
    """Return the first reason against a file, and the picture in it if that could be read."""
    if operation.name in terms.restricted.suspended:
        detail = f"{operation.name} is suspended for {candidate.account_id}"
        return Refusal(ErrorCode.OPERATION_SUSPENDED, detail, parameters)
    refusal = _against_file(candidate, parameters, operation) or _against_plan(
        candidate, parameters, operation, terms.limits
    )
    if refusal is not None or isinstance(candidate.facts, SourceProblem):
        return refusal
    if (refusal := _against_picture(candidate.facts, parameters, operation)) is not None:
        return refusal
    if takes_mask_file(parameters) and candidate.mask is None:
        return Refusal(ErrorCode.MASK_MISSING, "no mask came with the picture", parameters)
    return None


def _against_file(
    candidate: Candidate, parameters: Parameters, operation: Operation
) -> Refusal | None:
    if candidate.source_bytes == 0:
        return Refusal(ErrorCode.EMPTY_OBJECT, "the file has 0 bytes", parameters)
    if candidate.source_bytes > operation.max_bytes:
        detail = f"{candidate.source_bytes} bytes; {operation.name} takes {operation.max_bytes}"
        return Refusal(ErrorCode.FILE_TOO_LARGE, detail, parameters)
    return None


def _against_plan(
    candidate: Candidate, parameters: Parameters, operation: Operation, limits: Limits
) -> Refusal | None:
    pixels = candidate.facts.pixels if isinstance(candidate.facts, Header) else None
    reached = image_limit(limits, operation.name, pixels=pixels, size=candidate.source_bytes)
    if reached is None:
        return None
    code = (
        ErrorCode.FILE_TOO_LARGE
        if reached.quota is Quota.IMAGE_BYTES
        else ErrorCode.IMAGE_TOO_LARGE
    )
    return Refusal(code, reached.text(), parameters, reached)


def _against_picture(
    header: Header, parameters: Parameters, operation: Operation
) -> Refusal | None:
    if (
        header.pixels > operation.max_pixels
        or max(header.width, header.height) > operation.max_side
    ):
        detail = (
            f"{header.width}x{header.height} pixels; {operation.name} takes"
            f" {operation.max_pixels} in all and {operation.max_side} a side"
        )
        return Refusal(ErrorCode.IMAGE_TOO_LARGE, detail, parameters)
    if (refusal := _against_decoding(header, parameters)) is not None:
        return refusal
    if _needs_alpha(parameters) and not header.has_alpha:
        detail = f"the {header.format} picture has no alpha"
        return Refusal(ErrorCode.ALPHA_MISSING, detail, parameters)
    return None


def _against_decoding(header: Header, parameters: Parameters) -> Refusal | None:
    """Return what a worker would refuse or fail by the size alone, of picture or result."""
    if isinstance(parameters, IdentityParameters):
        # Stored as it came, and never decoded.
        return None
    width, height = header.width, header.height
    form = output_format(parameters, header.format, has_alpha=header.has_alpha)
    detail = against_reading(width, height) or against_result(
        parameters, width, height, form, alpha=header.has_alpha
    )
    if detail is not None:
        return Refusal(ErrorCode.IMAGE_TOO_LARGE, detail, parameters)
    if header.frames > MAX_FRAMES:
        detail = f"{header.frames} frames; {MAX_FRAMES} are taken"
        return Refusal(ErrorCode.TOO_MANY_FRAMES, detail, parameters)
    return None


def _needs_alpha(parameters: Parameters) -> bool:
    return isinstance(parameters, InpaintParameters) and parameters.mask == "alpha"


def _short(text: str | None) -> str:
    return repr((text or "")[:64])
