"""Money of this test's own: a connection as the application, and short ways to spend."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.billing import service
from domain.billing.model import NewHold, Usage
from schemas.ids import AccountId, JobId

if TYPE_CHECKING:
    from infra.stack.isolation import Database


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.app_url) as connection:
        yield connection


@pytest.fixture
def at() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def new_account(
    conn: psycopg.Connection, at: datetime, numbers: Iterator[int]
) -> Callable[[int], AccountId]:
    """Open an account with so much to spend, and commit."""

    def open_with(funds: int) -> AccountId:
        account_id = AccountId(f"acc_{next(numbers)}")
        service.open_accounts(conn, account_id, "CNY")
        if funds:
            service.top_up(conn, account_id, funds, key="first", at=at)
        conn.commit()
        return account_id

    return open_with


@pytest.fixture
def new_hold(at: datetime, numbers: Iterator[int]) -> Callable[[AccountId, int], NewHold]:
    """Ask for a hold of so much for a job of its own; nothing is posted."""

    def ask(account_id: AccountId, amount: int) -> NewHold:
        return NewHold(JobId(f"job_{next(numbers)}"), account_id, amount, "CNY", at)

    return ask


@pytest.fixture
def usage_of(at: datetime) -> Callable[[NewHold, str], Usage]:
    """Tell that the job of a hold ended so."""

    def tell(hold: NewHold, outcome: str) -> Usage:
        return Usage(
            job_id=hold.job_id,
            account_id=hold.account_id,
            operation="identity",
            preset="identity",
            outcome=outcome,
            code=None,
            amount=hold.amount,
            unit=hold.unit,
            environment="live",
            ended_at=at,
            input_bytes=1000,
            input_pixels=640,
        )

    return tell
