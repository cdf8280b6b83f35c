"""The real process, stopped by SIGTERM in mid-batch again and again while uploads flow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, from_settings
from infra.stack import running
from schemas import keys
from tests.integration.streams.streams_world import png, until

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.ids import AccountId

UPLOADS = 300
STOPS = 3


def test_a_stop_waits_for_the_batch_and_three_of_them_in_300_uploads_lose_none(
    tmp_path: Path,
) -> None:
    # Without the reconciler, which would find what was lost.
    env = {"PICMEND_RECONCILER_ENABLED": "false"}
    with running(tmp_path, processes=("streams",), env=env, durable=False) as system:
        settings = system.settings()
        url = settings.database_url.get_secret_value()
        account = enrolled(url)
        store = from_settings(settings)
        streams = system.process("streams")
        with ThreadPoolExecutor(9) as hands:
            for stop in range(STOPS):
                share = range(stop * UPLOADS // STOPS, (stop + 1) * UPLOADS // STOPS)
                with admission_held_up(url, account):
                    uploads = [hands.submit(upload, store, account, number) for number in share]
                    until(lambda: admission_waits(url))
                    before = decided(url)
                    stopping = hands.submit(streams.stop)
                    with pytest.raises(TimeoutError):
                        stopping.result(timeout=0.5)
                stopping.result()
                assert decided(url) > before
                streams.start()
                streams.wait_ready()
                for each in uploads:
                    each.result()
        until(lambda: decided(url) == UPLOADS, timeout_s=30)
        store.close()


def enrolled(url: str) -> AccountId:
    clock = SystemClock()
    with psycopg.connect(url) as conn:
        made = enrol(conn, name="A client", kind=AccountKind.COMPANY, unit="CNY", clock=clock)
        billing.top_up(conn, made.account.id, 1_000_000, key="first", at=clock.now())
    return made.account.id


def upload(store: S3ObjectStore, account: AccountId, number: int) -> None:
    store.put(keys.input_key(account, "identity", f"{number}.png"), png(), "image/png")


@contextmanager
def admission_held_up(url: str, account: AccountId) -> Iterator[None]:
    """Lock the account that every batch of admission must lock."""
    with psycopg.connect(url) as conn:
        conn.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", (account,))
        yield


def admission_waits(url: str) -> bool:
    return (
        _number(
            url,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'picmend-streams' AND wait_event_type = 'Lock'",
        )
        > 0
    )


def decided(url: str) -> int:
    return _number(url, "SELECT count(*) FROM jobs")


def _number(url: str, query: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])
