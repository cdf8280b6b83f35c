"""What can be done with money.

Every function works on a connection whose transaction the caller began and will commit; a
raised error leaves that transaction to be rolled back. The database holds the rules too:
these functions cannot write a ledger that is wrong, nor can a hand under their role.

Locks are taken as: the holds of jobs by id, then ledger accounts by id. A batch takes all of
its locks in one go; two batches in one transaction would take them out of order, so call
each once per transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
from psycopg import Connection

from domain.billing import store
from domain.billing.errors import (
    AmountError,
    BillingError,
    CurrencyConflictError,
    IdempotencyConflictError,
    NoLedgerAccountsError,
    NotCreditableError,
    NotReversibleError,
    OverdrawnError,
)
from domain.billing.model import (
    LARGEST_AMOUNT,
    AlreadyRecorded,
    Balance,
    Captured,
    Held,
    HoldOutcome,
    InsufficientBalance,
    NewHold,
    RefusedUsage,
    Released,
    Usage,
    UsageOutcome,
    UsageProblem,
)
from domain.billing.money import currencies
from schemas.ids import AccountId, JobId

_RAISED: Mapping[str, type[BillingError]] = {
    "PM001": IdempotencyConflictError,
    "PM002": NoLedgerAccountsError,
    "PM003": NotCreditableError,
    "PM004": NotReversibleError,
}
"""The SQLSTATEs that the migration's functions raise."""


def open_accounts(conn: Connection[object], account_id: AccountId, unit: str) -> None:
    """Open an account's ledger in a currency; again is harmless.

    Raises `CurrencyConflictError` if it is open in another, `AmountError` for a currency that
    is not kept here.
    """
    if unit not in currencies():
        known = ", ".join(sorted(currencies()))
        raise AmountError(f"{unit!r} is not a currency kept here; those are {known}")
    kept = store.open_accounts(conn, account_id, unit)
    if kept != unit:
        raise CurrencyConflictError(f"{account_id} is kept in {kept}; it cannot change to {unit}")


def top_up(
    conn: Connection[object], account_id: AccountId, amount: int, *, key: str, at: datetime
) -> int:
    """Add `amount` to what the account can spend, once per key; return the transaction's id.

    A second call with the same key and amount waits for the first and returns its id. Raises
    `IdempotencyConflictError` for another amount, `NoLedgerAccountsError`, `AmountError`.
    """
    _must_be_positive(amount)
    with _typed_errors():
        return store.top_up(conn, account_id, amount, key, at)


def credit(conn: Connection[object], job_id: JobId, amount: int, *, key: str, at: datetime) -> int:
    """Give back `amount` of what a job was charged, once per key; return the transaction's id.

    All credits of a job together are at most its charge: else `NotCreditableError`. Raises
    `IdempotencyConflictError` and `AmountError` too.
    """
    _must_be_positive(amount)
    with _typed_errors():
        return store.credit(conn, job_id, amount, key, at)


def reverse(conn: Connection[object], transaction_id: int, *, key: str, at: datetime) -> int:
    """Undo a top-up or a credit, once for ever; return the reversing transaction's id.

    Raises `NotReversibleError`, `IdempotencyConflictError`, and `OverdrawnError` when the
    money is spent or held already.
    """
    with _typed_errors():
        return store.reverse(conn, transaction_id, key, at)


def post_holds(conn: Connection[object], holds: Sequence[NewHold]) -> Mapping[JobId, HoldOutcome]:
    """Hold money for a batch of jobs; return what became of each job.

    Within an account, holds are posted in the order given. One that does not fit holds
    nothing, and a cheaper one behind it may still fit. A hold of 0 always is `Held`, and
    posts no entries. A job that has this hold already is `Held` too, open or closed; nothing
    is posted again.

    Raises `IdempotencyConflictError` when a job has, or is given twice in the batch, a hold
    of another account, unit or amount.
    """
    wanted: dict[JobId, NewHold] = {}
    for hold in holds:
        first = wanted.setdefault(hold.job_id, hold)
        if _terms(first) != _terms(hold):
            raise _hold_conflict(hold)
    if not wanted:
        return {}
    with _typed_errors():
        rows = store.post_holds(conn, list(wanted.values()))
    return {row.job_id: _hold_outcome(wanted[row.job_id], row) for row in rows}


def record_usage(
    conn: Connection[object], usages: Sequence[Usage], *, at: datetime
) -> list[UsageOutcome]:
    """Record usage events and close their holds; return the outcomes, in the order given.

    A hold is captured whole when its job succeeded and released otherwise, each exactly once,
    in this transaction. An event delivered again, in this batch or later, is
    `AlreadyRecorded`. One that contradicts what is on record changes nothing and comes back
    as `RefusedUsage`; the rest of the batch is recorded all the same.
    """
    if not usages:
        return []
    with _typed_errors():
        rows = store.record_usage(conn, usages, at)
    return [_usage_outcome(usage, row) for usage, row in zip(usages, rows, strict=True)]


def balance(conn: Connection[object], account_id: AccountId) -> Balance:
    """Return what the account can spend and what is held. Raises `NoLedgerAccountsError`."""
    found = store.balance(conn, account_id)
    if found is None:
        raise NoLedgerAccountsError(f"account {account_id} has no ledger accounts")
    return found


def open_holds(
    conn: Connection[object], job_ids: Sequence[JobId] | None = None
) -> frozenset[JobId]:
    """Return which of these jobs have a hold that is still open; of all jobs when not given.

    Of all, that is about as many as jobs are under way.
    """
    return store.open_holds(conn, job_ids)


def _hold_outcome(hold: NewHold, row: store.HoldRow) -> HoldOutcome:
    match row.outcome:
        case "held":
            return Held(hold.amount)
        case "insufficient":
            return InsufficientBalance(hold.amount, row.free, hold.unit)
        case _:
            raise _hold_conflict(hold)


def _usage_outcome(usage: Usage, row: store.UsageRow) -> UsageOutcome:
    match row.verdict:
        case "captured":
            return Captured(usage.amount)
        case "released":
            return Released(usage.amount)
        case "repeated":
            return AlreadyRecorded()
        case "contradicted":
            problem = UsageProblem.CONTRADICTED
            detail = f"it ended {row.recorded_outcome}; the event says {usage.outcome}"
        case "mismatched":
            problem = UsageProblem.MISMATCHED
            detail = (
                f"the event says {usage.amount} {usage.unit} of {usage.account_id}, "
                f"the hold is {row.held_amount} or of another account or unit"
            )
        case _:
            problem = UsageProblem.NO_HOLD
            detail = "no hold was ever posted for this job"
    return RefusedUsage(problem, usage.job_id, detail)


def _terms(hold: NewHold) -> tuple[AccountId, str, int]:
    return hold.account_id, hold.unit, hold.amount


def _hold_conflict(hold: NewHold) -> IdempotencyConflictError:
    return IdempotencyConflictError(
        f"job {hold.job_id} has another hold than {hold.amount} {hold.unit} of {hold.account_id}"
    )


def _must_be_positive(amount: int) -> None:
    if not 1 <= amount <= LARGEST_AMOUNT:
        raise AmountError(f"{amount} cannot be posted; it must be 1 to {LARGEST_AMOUNT}")


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name == "ledger_accounts_within_limits":
            raise OverdrawnError("a balance would leave its limits; nothing was posted") from error
        raise
    except psycopg.DatabaseError as error:
        known = _RAISED.get(error.sqlstate or "")
        if known is None:
            raise
        raise known(error.diag.message_primary or str(error)) from error
