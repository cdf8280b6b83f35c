"""Random sequences of what happens to money, against a model of plain sums."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from domain.billing import checks, service
from domain.billing.model import (
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
from schemas.ids import AccountId, JobId

AT = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = itertools.count()
OUTCOMES = ("succeeded", "failed", "cancelled")


class Money(RuleBasedStateMachine):
    """Two accounts; what they can spend, what is held, and how each job ended."""

    jobs = Bundle("jobs")

    def __init__(self, conn: psycopg.Connection) -> None:
        super().__init__()
        self.conn = conn
        self.accounts = [AccountId(f"acc_m{next(NUMBERS)}") for _ in range(2)]
        self.available = dict.fromkeys(self.accounts, 0)
        self.open: dict[JobId, NewHold] = {}
        self.ended: dict[JobId, str] = {}
        self.top_ups: dict[str, tuple[AccountId, int, int]] = {}
        for account in self.accounts:
            service.open_accounts(conn, account, "CNY")
        conn.commit()

    @rule(which=st.integers(0, 1), amount=st.integers(1, 100))
    def top_up(self, which: int, amount: int) -> None:
        account, key = self.accounts[which], f"k{next(NUMBERS)}"
        transaction = service.top_up(self.conn, account, amount, key=key, at=AT)
        self.conn.commit()
        self.available[account] += amount
        self.top_ups[key] = (account, amount, transaction)

    @rule()
    def repeat_every_top_up(self) -> None:
        for key, (account, amount, transaction) in self.top_ups.items():
            assert service.top_up(self.conn, account, amount, key=key, at=AT) == transaction
        self.conn.commit()

    @rule(
        target=jobs,
        asked=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60)), min_size=1, max_size=8),
    )
    def hold(self, asked: list[tuple[int, int]]) -> object:
        holds = [
            NewHold(JobId(f"job_m{next(NUMBERS)}"), self.accounts[which], amount, "CNY", AT)
            for which, amount in asked
        ]
        expected = [self._expect(hold) for hold in holds]

        outcomes = service.post_holds(self.conn, holds)
        self.conn.commit()

        assert [outcomes[hold.job_id] for hold in holds] == expected
        return multiple(*(hold for hold in holds if hold.job_id in self.open))

    @rule(held=st.lists(jobs, max_size=4))
    def hold_again(self, held: list[NewHold]) -> None:
        outcomes = service.post_holds(self.conn, held)
        self.conn.commit()

        assert outcomes == {hold.job_id: Held(hold.amount) for hold in held}

    @rule(ends=st.lists(st.tuples(jobs, st.sampled_from(OUTCOMES)), min_size=1, max_size=6))
    def end(self, ends: list[tuple[NewHold, str]]) -> None:
        expected = [self._expect_end(hold, outcome) for hold, outcome in ends]

        outcomes = service.record_usage(
            self.conn, [_usage(hold, outcome) for hold, outcome in ends], at=AT
        )
        self.conn.commit()

        for outcome, wanted in zip(outcomes, expected, strict=True):
            match outcome:
                case RefusedUsage():
                    assert outcome.problem is wanted
                case _:
                    assert outcome == wanted

    @rule(hold=jobs)
    def report_another_amount(self, hold: NewHold) -> None:
        told = replace(_usage(hold, "succeeded"), amount=hold.amount + 1)
        (outcome,) = service.record_usage(self.conn, [told], at=AT)
        self.conn.commit()

        assert isinstance(outcome, RefusedUsage)
        assert outcome.problem is UsageProblem.MISMATCHED

    @invariant()
    def balances_are_what_the_model_says(self) -> None:
        for account in self.accounts:
            held = sum(hold.amount for hold in self.open.values() if hold.account_id == account)
            assert service.balance(self.conn, account) == Balance(
                self.available[account], held, "CNY"
            )

    @invariant()
    def the_ledger_holds(self) -> None:
        assert checks.check(self.conn) == []
        assert checks.ledger_sum(self.conn) == 0
        self.conn.commit()

    def _expect(self, hold: NewHold) -> HoldOutcome:
        free = self.available[hold.account_id]
        if hold.amount > free:
            return InsufficientBalance(hold.amount, free, "CNY")
        self.available[hold.account_id] -= hold.amount
        self.open[hold.job_id] = hold
        return Held(hold.amount)

    def _expect_end(self, hold: NewHold, outcome: str) -> UsageOutcome | UsageProblem:
        if hold.job_id in self.ended:
            same = self.ended[hold.job_id] == outcome
            return AlreadyRecorded() if same else UsageProblem.CONTRADICTED
        self.ended[hold.job_id] = outcome
        del self.open[hold.job_id]
        if outcome == "succeeded":
            return Captured(hold.amount)
        self.available[hold.account_id] += hold.amount
        return Released(hold.amount)


def _usage(hold: NewHold, outcome: str) -> Usage:
    return Usage(
        job_id=hold.job_id,
        account_id=hold.account_id,
        operation="identity",
        preset=None,
        outcome=outcome,
        code=None,
        amount=hold.amount,
        unit=hold.unit,
        environment="live",
        ended_at=AT,
        input_bytes=1,
        input_pixels=1,
    )


def test_money_follows_the_model_whatever_happens_to_it(conn: psycopg.Connection) -> None:
    run_state_machine_as_test(
        lambda: Money(conn),
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
