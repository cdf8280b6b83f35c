"""The real process, stopped by SIGTERM again and again while uploads flow: nothing is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg

from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.object_store import from_settings
from infra.stack import running
from schemas import keys
from tests.integration.streams.streams_world import png, until

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings
    from schemas.ids import AccountId

UPLOADS = 300
STOPS = 3


def enrolled(settings: Settings) -> AccountId:
    clock = SystemClock()
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        made = enrol(conn, name="A client", kind=AccountKind.COMPANY, unit="CNY", clock=clock)
        billing.top_up(conn, made.account.id, 1_000_000, key="first", at=clock.now())
    return made.account.id


def test_stopping_the_streams_three_times_in_300_uploads_loses_none(tmp_path: Path) -> None:
    # Without the reconciler, which would find what was lost.
    env = {"PICMEND_RECONCILER_ENABLED": "false"}
    with running(tmp_path, processes=("streams",), env=env, durable=False) as system:
        settings = system.settings()
        account = enrolled(settings)
        store = from_settings(settings)
        going_on = threading.Semaphore(0)

        def upload(number: int) -> None:
            assert going_on.acquire(timeout=120)
            store.put(keys.input_key(account, "identity", f"{number}.png"), png(), "image/png")

        def decided() -> int:
            with psycopg.connect(settings.database_url.get_secret_value()) as conn:
                row = conn.execute("SELECT count(*) FROM jobs").fetchone()
            assert row is not None
            return int(row[0])

        streams = system.process("streams")
        with ThreadPoolExecutor(8) as uploaders:
            done = [uploaders.submit(upload, number) for number in range(UPLOADS)]
            for stop in range(1, STOPS + 1):
                before = decided()
                going_on.release(UPLOADS // (STOPS + 1))
                until(lambda before=before: decided() > before)  # type: ignore[misc]  # a default
                assert decided() < stop * UPLOADS // (STOPS + 1), "it was not in mid-batch"
                streams.restart()
            going_on.release(UPLOADS)
            for each in done:
                each.result()
        until(lambda: decided() == UPLOADS, timeout_s=30)
        store.close()
