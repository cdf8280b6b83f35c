"""Posting holds looks up what it writes, and does not read what was written before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg

from domain.billing import service
from domain.billing.model import NewHold
from schemas.ids import AccountId

if TYPE_CHECKING:
    from infra.stack.isolation import Database

BEFORE = 5_000
BATCH = 100


def test_a_batch_of_holds_reads_no_transactions_but_its_own(
    database: Database,
    conn: psycopg.Connection,
    new_account: Callable[[int], AccountId],
    new_hold: Callable[[AccountId, int], NewHold],
) -> None:
    account = new_account(1_000_000)
    service.post_holds(conn, [new_hold(account, 1) for _ in range(BEFORE)])
    conn.commit()

    # In a session of its own, so that its plans are made for a table that is full.
    with psycopg.connect(database.app_url) as fresh:
        service.post_holds(fresh, [new_hold(account, 1) for _ in range(BATCH)])
        row = fresh.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'ledger_transactions'"
        ).fetchone()

    assert row is not None
    assert row[0] <= 4 * BATCH
