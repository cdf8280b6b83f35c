"""Steps of the schema while the code of before works: nobody fails, and nobody is held up."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import sql

from domain.billing import service as billing
from domain.billing.model import Captured
from domain.jobs import outbox, read
from infra import migrations
from infra.migrations import LockedOutError, Patience, TooSlowError
from infra.schema_version import KNOWN, STEPS
from schemas import topics
from schemas.events import Event, UsageRecorded
from streams.billing import usage_of
from tests.e2e.customer import wait_until
from tests.integration.pipeline.pipeline_world import World, success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack.isolation import Database

pytestmark = pytest.mark.timed

EXPAND: Final = (STEPS, Path(__file__).parent / "steps")
SLOW: Final = (STEPS, Path(__file__).parent / "slow_steps")
IMPATIENT: Final = Patience(lock_s=0.5, tries=3, first_pause_s=0.2)


@dataclass
class Load:
    """Jobs that go from decision to charge by the pipeline's own functions, without a pause."""

    world: World
    longest_s: float = 0.0
    done: int = 0
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            account = self.world.account()
            while not self.ended.is_set():
                begun = time.monotonic()
                (job_id,) = self.world.running(account)
                self.world.end(success(job_id))
                self._relay_and_bill()
                assert read.of_account(self.world.conn, account, job_id)
                self.world.conn.commit()
                self.longest_s = max(self.longest_s, time.monotonic() - begun)
                self.done += 1
        except Exception as error:
            self.error = error
            raise

    def _relay_and_bill(self) -> None:
        conn = self.world.conn
        rows = outbox.head(conn, 1000)
        usage = [
            usage_of(Event[UsageRecorded].decode(row.message.body).data)
            for row in rows
            if row.message.topic == topics.USAGE
        ]
        assert billing.record_usage(conn, usage, at=self.world.clock.now()) == [Captured(1)]
        outbox.delete(conn, [row.id for row in rows])
        conn.commit()

    def goes_on(self) -> None:
        """Return when some more jobs have been charged."""
        before = self.done
        wait_until(
            lambda: self.error is not None or self.done > before + 10,
            within_s=20,
            what="more jobs charged",
        )
        assert self.error is None


@contextmanager
def under_load(database: Database) -> Iterator[Load]:
    with psycopg.connect(database.app_url) as conn:
        load = Load(World(database.app_url, conn))
        thread = threading.Thread(target=load.run)
        thread.start()
        try:
            load.goes_on()
            yield load
        finally:
            load.ended.set()
            thread.join()
        assert load.error is None


@contextmanager
def a_long_look_at(database: Database, table: str) -> Iterator[None]:
    """Read a table in a transaction that stays open, as a report or a forgotten psql does."""
    with psycopg.connect(database.app_url) as conn:
        conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        yield


def version(database: Database) -> str:
    with psycopg.connect(database.app_url) as conn:
        row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def test_an_expanding_step_runs_while_the_code_of_before_works(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    with under_load(database) as load:
        migrations.upgrade(database.owner_url, steps=EXPAND, tell=told.append)
        load.goes_on()
    with capsys.disabled():
        print(f"\nexpand under load: {load.done} jobs, the slowest {load.longest_s:.2f} s")  # noqa: T201 - the figure
    assert told == [
        "0901: A step that adds: columns, a table, a rule, an index.",
        "0902: A step behind one that left its transaction.",
    ]
    assert load.longest_s < Patience().lock_s + 2
    with psycopg.connect(database.owner_url) as conn:
        indexes = conn.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'jobs_by_shade'::regclass"
        ).fetchall()
        limits = conn.execute("SELECT lock_s, statement_s FROM limits").fetchall()
    assert indexes == [(True,)]
    assert limits == [("2s", "15s")]


def test_a_step_that_cannot_get_its_lock_gives_up_and_load_goes_on(database: Database) -> None:
    told: list[str] = []
    with under_load(database) as load:
        with a_long_look_at(database, "jobs"):
            begun = time.monotonic()
            with pytest.raises(LockedOutError, match=r"pg_stat_activity.*picmend migrate"):
                migrations.upgrade(
                    database.owner_url, steps=EXPAND, patience=IMPATIENT, tell=told.append
                )
            took = time.monotonic() - begun
            load.goes_on()
        assert load.longest_s < IMPATIENT.lock_s + 1, "held up no longer than one wait for a lock"
        assert version(database) == KNOWN[-1]
        migrations.upgrade(database.owner_url, steps=EXPAND, patience=IMPATIENT)
        load.goes_on()
    assert version(database) == "0902"
    assert took < IMPATIENT.tries * IMPATIENT.lock_s + sum(IMPATIENT.pauses()) + 5
    assert told == [
        "a lock was not to be had within 0.5 s; trying again in 0.2 s",
        "a lock was not to be had within 0.5 s; trying again in 0.4 s",
    ]


def test_a_step_that_gets_its_lock_in_a_later_try_is_done(database: Database) -> None:
    look = a_long_look_at(database, "jobs")
    look.__enter__()

    def pause(_: float) -> None:
        look.__exit__(None, None, None)

    migrations.upgrade(database.owner_url, steps=EXPAND, patience=IMPATIENT, sleep=pause)
    assert version(database) == "0902"


def test_a_step_that_takes_too_long_under_its_lock_is_undone(database: Database) -> None:
    with under_load(database) as load:
        with pytest.raises(TooSlowError, match="split"):
            migrations.upgrade(
                database.owner_url, steps=SLOW, patience=Patience(lock_s=2, statement_s=0.5)
            )
        load.goes_on()
    assert load.longest_s < 3
    assert version(database) == KNOWN[-1]
