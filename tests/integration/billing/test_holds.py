from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from domain.billing import checks, reports, service
from domain.billing.daily_usage import daily_usage
from domain.billing.errors import (
    AmountError,
    IdempotencyConflictError,
    NoLedgerAccountsError,
    NotCreditableError,
    NotReversibleError,
    OverdrawnError,
)
from domain.billing.model import (
    AlreadyRecorded,
    Balance,
    Captured,
    Held,
    InsufficientBalance,
    NewHold,
    RefusedUsage,
    Released,
    TransactionKind,
    Usage,
    UsageProblem,
)
from schemas.ids import AccountId

NewAccount = Callable[[int], AccountId]
Ask = Callable[[AccountId, int], NewHold]
Tell = Callable[[NewHold, str], Usage]


@pytest.fixture(autouse=True)
def sound(conn: psycopg.Connection) -> Iterator[None]:
    """Every test here ends with a ledger that holds."""
    yield
    conn.rollback()
    assert checks.check(conn) == []
    assert checks.ledger_sum(conn) == 0


def test_a_succeeded_job_is_charged_its_hold(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold = new_hold(account, 30)

    assert service.post_holds(conn, [hold]) == {hold.job_id: Held(30)}
    assert service.balance(conn, account) == Balance(70, 30, "CNY")
    assert service.record_usage(conn, [usage_of(hold, "succeeded")], at=at) == [Captured(30)]
    assert service.balance(conn, account) == Balance(70, 0, "CNY")
    conn.commit()


def test_any_other_end_gives_the_money_back(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    for outcome in ("failed", "refused", "cancelled", "expired"):
        hold = new_hold(account, 30)
        service.post_holds(conn, [hold])

        assert service.record_usage(conn, [usage_of(hold, outcome)], at=at) == [Released(30)]
        assert service.balance(conn, account) == Balance(100, 0, "CNY")
        conn.commit()


def test_a_cheaper_job_behind_one_that_does_not_fit_still_fits(
    conn: psycopg.Connection, new_account: NewAccount, new_hold: Ask
) -> None:
    rich, poor = new_account(1000), new_account(100)
    holds = [
        new_hold(poor, 60),
        new_hold(rich, 900),
        new_hold(poor, 50),
        new_hold(poor, 40),
        new_hold(poor, 1),
    ]

    outcomes = service.post_holds(conn, holds)

    assert [outcomes[hold.job_id] for hold in holds] == [
        Held(60),
        Held(900),
        InsufficientBalance(required=50, available=40, unit="CNY"),
        Held(40),
        InsufficientBalance(required=1, available=0, unit="CNY"),
    ]
    assert service.balance(conn, poor) == Balance(0, 100, "CNY")
    conn.commit()


def test_a_hold_of_nothing_is_held_without_money_and_closes_like_any_other(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    free = new_hold(new_account(0), 0)

    assert service.post_holds(conn, [free]) == {free.job_id: Held(0)}
    assert service.open_holds(conn, [free.job_id]) == {free.job_id}
    assert service.open_holds(conn) == {free.job_id}
    assert service.record_usage(conn, [usage_of(free, "succeeded")], at=at) == [Captured(0)]
    assert service.open_holds(conn, [free.job_id]) == frozenset()
    assert conn.execute("SELECT count(*) FROM ledger_entries").fetchone() == (0,)
    conn.commit()


def test_an_account_that_was_never_opened_can_hold_nothing_but_nothing(
    conn: psycopg.Connection, new_hold: Ask
) -> None:
    paid, free = new_hold(AccountId("acc_none"), 1), new_hold(AccountId("acc_none"), 0)

    outcomes = service.post_holds(conn, [paid, free])

    assert outcomes[paid.job_id] == InsufficientBalance(1, 0, "CNY")
    assert outcomes[free.job_id] == Held(0)
    conn.commit()


def test_holding_again_holds_nothing_more_even_after_the_end(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold = new_hold(account, 60)
    for _ in range(2):
        assert service.post_holds(conn, [hold, hold]) == {hold.job_id: Held(60)}
    service.record_usage(conn, [usage_of(hold, "succeeded")], at=at)

    assert service.post_holds(conn, [hold]) == {hold.job_id: Held(60)}
    assert service.balance(conn, account) == Balance(40, 0, "CNY")
    conn.commit()


def test_a_job_has_one_hold_and_another_is_a_conflict(
    conn: psycopg.Connection, new_account: NewAccount, new_hold: Ask
) -> None:
    hold = new_hold(new_account(100), 10)
    service.post_holds(conn, [hold])
    conn.commit()

    with pytest.raises(IdempotencyConflictError, match=hold.job_id):
        service.post_holds(conn, [replace(hold, amount=11)])
    with pytest.raises(IdempotencyConflictError, match=hold.job_id):
        service.post_holds(conn, [hold, replace(hold, amount=11)])


def test_usage_delivered_again_is_harmless_in_one_batch_and_later(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold = new_hold(account, 30)
    service.post_holds(conn, [hold])
    told = usage_of(hold, "succeeded")

    assert service.record_usage(conn, [told, told], at=at) == [Captured(30), AlreadyRecorded()]
    assert service.record_usage(conn, [told], at=at) == [AlreadyRecorded()]
    assert service.balance(conn, account) == Balance(70, 0, "CNY")
    conn.commit()


def test_a_closed_hold_never_changes_its_end(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold, other = new_hold(account, 30), new_hold(account, 20)
    service.post_holds(conn, [hold, other])
    service.record_usage(conn, [usage_of(hold, "cancelled")], at=at)

    contradicted, fine = service.record_usage(
        conn, [usage_of(hold, "succeeded"), usage_of(other, "succeeded")], at=at
    )

    assert contradicted == RefusedUsage(
        UsageProblem.CONTRADICTED, hold.job_id, "it ended cancelled; the event says succeeded"
    )
    assert fine == Captured(20)
    assert service.balance(conn, account) == Balance(80, 0, "CNY")
    conn.commit()


def test_usage_that_does_not_fit_its_hold_changes_nothing(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold, never_held = new_hold(account, 30), new_hold(account, 5)
    service.post_holds(conn, [hold])

    outcomes = service.record_usage(
        conn,
        [
            replace(usage_of(hold, "succeeded"), amount=29),
            replace(usage_of(hold, "succeeded"), account_id=AccountId("acc_other")),
            usage_of(never_held, "succeeded"),
        ],
        at=at,
    )

    assert [outcome.problem for outcome in outcomes if isinstance(outcome, RefusedUsage)] == [
        UsageProblem.MISMATCHED,
        UsageProblem.MISMATCHED,
        UsageProblem.NO_HOLD,
    ]
    assert service.balance(conn, account) == Balance(70, 30, "CNY")
    assert service.record_usage(conn, [usage_of(hold, "failed")], at=at) == [Released(30)]
    conn.commit()


def test_a_thousand_jobs_of_many_accounts_go_in_one_batch(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    accounts = [new_account(1000) for _ in range(10)]
    holds = [new_hold(accounts[n % 10], 10) for n in range(1000)]

    assert set(service.post_holds(conn, holds).values()) == {Held(10)}
    told = [usage_of(hold, "succeeded" if n % 2 else "failed") for n, hold in enumerate(holds)]
    service.record_usage(conn, told, at=at)

    # Accounts 1, 3, 5, ... had only jobs that succeeded; the others only jobs that failed.
    assert [service.balance(conn, account).available for account in accounts] == [1000, 0] * 5
    conn.commit()


def test_a_top_up_counts_once_per_key(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount
) -> None:
    account = new_account(0)
    first = service.top_up(conn, account, 50, key="k", at=at)

    assert service.top_up(conn, account, 50, key="k", at=at) == first
    assert service.balance(conn, account).available == 50
    conn.commit()
    with pytest.raises(IdempotencyConflictError, match="50"):
        service.top_up(conn, account, 51, key="k", at=at)


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1])
def test_a_top_up_is_a_positive_amount(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, amount: int
) -> None:
    with pytest.raises(AmountError):
        service.top_up(conn, new_account(0), amount, key="k", at=at)


def test_an_account_keeps_its_first_currency(
    conn: psycopg.Connection, new_account: NewAccount
) -> None:
    account = new_account(5)

    service.open_accounts(conn, account, "CNY")
    with pytest.raises(AmountError, match="EUR"):
        service.open_accounts(conn, account, "EUR")
    kept = conn.execute("SELECT billing_open_accounts(%s, 'USD')", (account,)).fetchone()
    assert kept == ("CNY",)
    assert service.balance(conn, account) == Balance(5, 0, "CNY")


def test_money_of_an_unknown_account_is_a_typed_error(
    conn: psycopg.Connection, at: datetime
) -> None:
    with pytest.raises(NoLedgerAccountsError, match="acc_none"):
        service.balance(conn, AccountId("acc_none"))
    with pytest.raises(NoLedgerAccountsError, match="acc_none"):
        service.top_up(conn, AccountId("acc_none"), 5, key="k", at=at)


def test_credits_never_exceed_what_was_charged(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    hold, unfinished = new_hold(account, 30), new_hold(account, 10)
    service.post_holds(conn, [hold, unfinished])
    service.record_usage(conn, [usage_of(hold, "succeeded")], at=at)

    first = service.credit(conn, hold.job_id, 20, key="a", at=at)
    assert service.credit(conn, hold.job_id, 20, key="a", at=at) == first
    assert service.balance(conn, account) == Balance(80, 10, "CNY")
    conn.commit()
    with pytest.raises(NotCreditableError, match="credited 20; 11 more"):
        service.credit(conn, hold.job_id, 11, key="b", at=at)
    conn.rollback()
    with pytest.raises(NotCreditableError, match="not charged"):
        service.credit(conn, unfinished.job_id, 1, key="c", at=at)
    conn.rollback()
    service.reverse(conn, first, key="d", at=at)
    service.credit(conn, hold.job_id, 30, key="e", at=at)
    assert service.balance(conn, account) == Balance(90, 10, "CNY")
    conn.commit()


def test_a_top_up_is_reversed_once_and_not_after_it_was_spent(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask
) -> None:
    account = new_account(0)
    spent = service.top_up(conn, account, 50, key="spent", at=at)
    service.post_holds(conn, [new_hold(account, 1)])
    kept = service.top_up(conn, account, 20, key="kept", at=at)
    undone = service.reverse(conn, kept, key="undo", at=at)
    assert service.reverse(conn, kept, key="undo", at=at) == undone
    conn.commit()

    with pytest.raises(NotReversibleError, match="already"):
        service.reverse(conn, kept, key="undo again", at=at)
    conn.rollback()
    with pytest.raises(OverdrawnError):
        service.reverse(conn, spent, key="undo spent", at=at)
    conn.rollback()
    with pytest.raises(NotReversibleError):
        service.reverse(conn, undone, key="undo the undoing", at=at)
    conn.rollback()
    assert service.balance(conn, account) == Balance(49, 1, "CNY")


def test_a_statement_runs_from_its_opening_to_its_closing_balance(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    later = at + timedelta(days=40)
    hold = replace(new_hold(account, 30), admitted_at=later)
    service.post_holds(conn, [hold])
    service.record_usage(conn, [usage_of(hold, "succeeded")], at=later + timedelta(days=40))

    month = reports.statement(conn, account, at + timedelta(days=30), at + timedelta(days=60))

    assert (month.opening, month.closing) == (100, 70)
    assert [
        (line.kind, line.ledger.value, line.amount, line.balance_after) for line in month.lines
    ] == [
        (TransactionKind.HOLD, "available", -30, 70),
        (TransactionKind.HOLD, "held", 30, 30),
        (TransactionKind.CAPTURE, "held", -30, 0),
    ]
    conn.commit()


def test_usage_is_added_up_by_day_and_operation(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    holds = [new_hold(account, 10) for _ in range(5)]
    service.post_holds(conn, holds)
    told = [usage_of(hold, "failed" if n == 0 else "succeeded") for n, hold in enumerate(holds)]
    service.record_usage(conn, told, at=at)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)

    (day,) = daily_usage(conn, account, start, end)
    assert (day.day, day.jobs, day.succeeded) == (date(2026, 3, 1), 5, 4)
    assert (day.charged, day.pixels) == (40, 4 * 640)
    conn.commit()
