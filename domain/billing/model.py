"""Money as values: what is asked of the ledger and what it answers.

Amounts are integers in the minor unit of `unit`. All of money has one time, the moment a
job was admitted; see `NewHold.admitted_at`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.ids import AccountId, JobId

LARGEST_AMOUNT = 10**15
"""No hold or posting is larger; what is, is a mistake. Fits a bigint a thousand times over."""


class LedgerName(StrEnum):
    """The ledger accounts that a customer has."""

    FUNDING = "funding"
    AVAILABLE = "available"
    HELD = "held"
    REVENUE = "revenue"
    REFUNDS = "refunds"
    ALLOWANCE = "allowance"
    PACK = "pack"


class TransactionKind(StrEnum):
    """Why money moved."""

    TOP_UP = "top_up"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    CREDIT = "credit"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class NewHold:
    """Money to set aside for a job about to be queued.

    `admitted_at` is the clock's time in the transaction that posts the hold; the capture or
    release will carry it too. `price_id` names the price that was pinned.
    """

    job_id: JobId
    account_id: AccountId
    amount: int
    unit: str
    admitted_at: datetime
    price_id: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= LARGEST_AMOUNT:
            raise ValueError(f"the hold of {self.job_id} is {self.amount}, not an amount")


@dataclass(frozen=True, slots=True)
class Held:
    """The job has its hold."""

    amount: int


@dataclass(frozen=True, slots=True)
class InsufficientBalance:
    """Nothing was held: `required` was asked and `available` left.

    An account without ledger accounts in that unit has 0 available.
    """

    required: int
    available: int
    unit: str


HoldOutcome = Held | InsufficientBalance


@dataclass(frozen=True, slots=True)
class Usage:
    """How a job with a hold ended, as its usage event tells.

    `amount` is the hold. `outcome` is the job's final state; "succeeded" alone is charged.
    Quantities are for analysts; nothing is priced by them.
    """

    job_id: JobId
    account_id: AccountId
    operation: str
    preset: str | None
    outcome: str
    code: str | None
    amount: int
    unit: str
    environment: str
    ended_at: datetime
    input_bytes: int
    input_pixels: int
    output_bytes: int | None = None
    output_pixels: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """This usage ended the hold, and all of it was charged."""

    amount: int


@dataclass(frozen=True, slots=True)
class Released:
    """This usage ended the hold, and all of it went back where it came from."""

    amount: int


@dataclass(frozen=True, slots=True)
class AlreadyRecorded:
    """The same end of this job is on record; nothing was done."""


class UsageProblem(StrEnum):
    """Why a usage event changed nothing and never will."""

    CONTRADICTED = "usage_contradicted"
    MISMATCHED = "usage_mismatched"
    NO_HOLD = "usage_without_hold"


@dataclass(frozen=True, slots=True)
class RefusedUsage:
    """A usage event that cannot be right; the ledger is as it was."""

    problem: UsageProblem
    job_id: JobId
    detail: str


UsageOutcome = Captured | Released | AlreadyRecorded | RefusedUsage


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account can spend, and what is set aside for jobs under way."""

    available: int
    held: int
    unit: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One entry on `available` or `held`, with that ledger account's balance after it."""

    at: datetime
    recorded_at: datetime
    transaction_id: int
    kind: TransactionKind
    job_id: JobId | None
    ledger: LedgerName
    amount: int
    balance_after: int
    version: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What happened to a customer's money of one period, [start, end) by `at`.

    `opening` and `closing` are what was available and held together; closing is opening plus
    the lines. Lines stand in the order they were recorded.
    """

    account_id: AccountId
    unit: str
    start: datetime
    end: datetime
    opening: int
    lines: tuple[StatementLine, ...]

    @property
    def closing(self) -> int:
        """The sum available and held after the last line."""
        return self.opening + sum(line.amount for line in self.lines)


class FindingCode(StrEnum):
    """What can be wrong with a ledger."""

    TRANSACTION_UNBALANCED = "transaction_unbalanced"
    TRANSACTION_INCOMPLETE = "transaction_incomplete"
    BALANCE_DRIFT = "balance_drift"
    HISTORY_BROKEN = "history_broken"
    BALANCE_OUT_OF_LIMITS = "balance_out_of_limits"
    HELD_DRIFT = "held_drift"
    HOLD_WITHOUT_TRANSACTION = "hold_without_transaction"
    HOLD_NOT_SETTLED = "hold_not_settled"
    DOUBLE_CHARGE = "double_charge"
    CLOSED_WITHOUT_USAGE = "closed_without_usage"
    USAGE_CONTRADICTS_HOLD = "usage_contradicts_hold"
    USAGE_WITHOUT_HOLD = "usage_without_hold"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, with which transaction, ledger account or job."""

    code: FindingCode
    subject: str
    detail: str
