from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.billing import checks, service
from domain.billing.model import (
    Balance,
    Captured,
    Held,
    HoldOutcome,
    NewHold,
    Released,
    Usage,
)
from schemas.ids import AccountId

if TYPE_CHECKING:
    from infra.stack.isolation import Database

NewAccount = Callable[[int], AccountId]
Ask = Callable[[AccountId, int], NewHold]
Tell = Callable[[NewHold, str], Usage]


@pytest.fixture
def tell(usage_of: Tell) -> Callable[[NewHold], Usage]:
    """Odd amounts end well and are charged, even ones fail."""
    return lambda hold: usage_of(hold, "succeeded" if hold.amount % 2 else "failed")


@pytest.fixture
def connect(database: Database) -> Callable[[], psycopg.Connection]:
    """Open a connection of a thread's own; a lock waited for 10 s is an error."""
    return lambda: psycopg.connect(database.app_url, options="-c lock_timeout=10s")


def test_twenty_at_once_cannot_overdraw(
    conn: psycopg.Connection,
    connect: Callable[[], psycopg.Connection],
    new_account: NewAccount,
    new_hold: Ask,
) -> None:
    account = new_account(10)
    holds = [new_hold(account, 1) for _ in range(20)]
    start = Barrier(20)

    def post(hold: NewHold) -> HoldOutcome:
        with connect() as own:
            start.wait(timeout=30)
            return service.post_holds(own, [hold])[hold.job_id]

    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(post, holds))

    assert outcomes.count(Held(1)) == 10
    assert service.balance(conn, account) == Balance(0, 10, "CNY")
    assert checks.check(conn) == []


def test_one_job_admitted_and_one_key_used_by_many_at_once_count_once(
    conn: psycopg.Connection,
    connect: Callable[[], psycopg.Connection],
    at: datetime,
    new_account: NewAccount,
    new_hold: Ask,
) -> None:
    account = new_account(100)
    paid, free = new_hold(account, 7), new_hold(account, 0)
    start = Barrier(8)

    def post(_: int) -> int:
        with connect() as own:
            start.wait(timeout=30)
            outcomes = service.post_holds(own, [paid, free])
            assert list(outcomes.values()) == [Held(7), Held(0)]
        with connect() as own:
            return service.top_up(own, account, 5, key="once", at=at)

    with ThreadPoolExecutor(8) as threads:
        transactions = set(threads.map(post, range(8)))

    assert len(transactions) == 1
    assert service.balance(conn, account) == Balance(98, 7, "CNY")
    assert checks.check(conn) == []


def test_admission_billing_and_top_ups_on_the_same_accounts_neither_deadlock_nor_lose(
    conn: psycopg.Connection,
    connect: Callable[[], psycopg.Connection],
    new_account: NewAccount,
    new_hold: Ask,
    tell: Callable[[NewHold], Usage],
) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    accounts = [new_account(100_000) for _ in range(6)]
    batches = [[new_hold(accounts[(n * 5 + i) % 6], 10 + i) for i in range(40)] for n in range(24)]

    def spend(seed: int) -> list[object]:
        """Admit and close a quarter of the batches, telling of some ends twice."""
        chance = random.Random(seed)
        ended: list[object] = []
        with connect() as own:
            for batch in batches[seed::4]:
                asked = chance.sample(batch, len(batch))
                service.post_holds(own, asked)
                own.commit()
                told = [tell(hold) for hold in chance.sample(batch, len(batch))]
                ended += service.record_usage(own, told + told[:13], at=at)
                own.commit()
                service.top_up(own, chance.choice(accounts), 1, key=batch[0].job_id, at=at)
                own.commit()
        return ended

    def close_everything(seed: int) -> list[object]:
        """Deliver all usage events again and again, in another order each time."""
        chance = random.Random(seed)
        told = [tell(hold) for batch in batches for hold in batch]
        ended: list[object] = []
        with connect() as own:
            for _ in range(6):
                ended += service.record_usage(own, chance.sample(told, len(told)), at=at)
                own.commit()
        return ended

    with ThreadPoolExecutor(6) as threads:
        spending = [threads.submit(spend, seed) for seed in range(4)]
        closing = [threads.submit(close_everything, seed) for seed in range(2)]
        ended = [outcome for done in spending + closing for outcome in done.result(timeout=120)]

    jobs = [hold for batch in batches for hold in batch]
    charged = sum(hold.amount for hold in jobs if hold.amount % 2)
    assert sum(1 for outcome in ended if isinstance(outcome, Captured | Released)) == len(jobs)
    balances = [service.balance(conn, account) for account in accounts]
    assert sum(found.available for found in balances) == 600_000 + len(batches) - charged
    assert sum(found.held for found in balances) == 0
    assert checks.check(conn) == []
