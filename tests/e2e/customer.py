"""A client of the whole system, and what the operator sees of its jobs and money."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psycopg
from PIL import Image

from domain.accounts.model import AccountKind
from domain.billing import checks
from domain.billing import service as billing
from domain.billing.model import Balance
from domain.pipeline.enrol import Enrolled, enrol
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, from_settings
from infra.settings import Settings
from infra.stack import Running
from schemas import keys
from schemas.ids import AccountId
from schemas.states import TERMINAL

CLOCK = SystemClock()


def wait_until(holds: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Return when `holds()`; fail with `what` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.05)


def picture(
    width: int = 32, height: int = 24, *, mode: str = "RGB", form: str = "PNG", seed: int = 0
) -> bytes:
    """Return a picture of noise."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(
        0, 256, (height, width, *channels), dtype=np.uint8
    )
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, form)
    return body.getvalue()


def opened(body: bytes) -> Image.Image:
    """Return a decoded picture."""
    return Image.open(io.BytesIO(body))


@dataclass
class Customer:
    """One account with a balance, and eyes on everything that belongs to it."""

    system: Running
    settings: Settings
    enrolled: Enrolled
    store: S3ObjectStore
    conn: psycopg.Connection = field(repr=False)

    @property
    def id(self) -> AccountId:
        return self.enrolled.account.id

    def reconnect(self) -> None:
        """Look at the database again after it was away."""
        self.conn.close()
        url = self.settings.database_url.get_secret_value()
        self.conn = psycopg.connect(url, autocommit=True)

    def upload(self, preset: str, path: str, body: bytes) -> str:
        """PUT a file as a bulk client does; return its key."""
        key = keys.input_key(self.id, preset, path)
        self.store.put(key, body, "application/octet-stream")
        return key

    def jobs(self) -> dict[str, tuple[str, str | None]]:
        """Return state and code of each job, by its source's key."""
        rows = self.conn.execute(
            "SELECT source_key, state, code FROM jobs WHERE account_id = %s", (self.id,)
        ).fetchall()
        return {key: (state, code) for key, state, code in rows}

    def wait_ended(self, sources: Collection[str], *, within_s: float = 60) -> None:
        """Wait until each of these keys has a job that ended, and no hold is open."""

        def settled() -> bool:
            jobs = self.jobs()
            return all(key in jobs and jobs[key][0] in TERMINAL for key in sources) and (
                self.holds("open") == 0
            )

        wait_until(settled, within_s=within_s, what=f"{len(sources)} ended, now {self.jobs()}")

    def holds(self, state: str) -> int:
        row = self.conn.execute(
            "SELECT count(*) FROM holds WHERE account_id = %s AND state = %s", (self.id, state)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def balance(self) -> Balance:
        return billing.balance(self.conn, self.id)

    def outputs(self) -> list[str]:
        """Return the keys of everything made for the account."""
        prefix = keys.account_output_prefix(self.id)
        return [info.key for page in self.store.list(prefix) for info in page]

    def output_of(self, source: str) -> bytes:
        """Return what stands where an upload's result is looked for."""
        made = [key for key in self.outputs() if self._source(key) == source]
        assert len(made) == 1, made
        return self.store.get(made[0], max_bytes=1 << 26)

    @staticmethod
    def _source(key: str) -> str | None:
        parsed = keys.parse_output_key(key)
        return parsed.source_key if parsed else None

    def assert_charged_exactly_once(self, sources: Collection[str], *, each: int) -> None:
        """Assert that these were charged `each`, once, and that the whole ledger is sound."""
        row = self.conn.execute(
            "SELECT count(*), count(DISTINCT t.job_id), coalesce(sum(h.amount), 0)::bigint"
            " FROM ledger_transactions t JOIN holds h USING (job_id)"
            " JOIN jobs j ON j.id = t.job_id"
            " WHERE t.kind = 'capture' AND j.account_id = %s AND j.source_key = ANY(%s)",
            (self.id, list(sources)),
        ).fetchone()
        assert row == (len(sources), len(sources), len(sources) * each)
        assert self.holds("open") == 0
        assert_ledger_is_sound(self.conn)


def assert_ledger_is_sound(conn: psycopg.Connection) -> None:
    assert checks.check(conn) == []
    assert checks.ledger_sum(conn) == 0


@contextmanager
def customer_of(system: Running, *, balance: int = 10_000_000) -> Iterator[Customer]:
    """Enrol a customer with a balance in minor units."""
    settings = system.settings()
    url = settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as conn:
        with conn.transaction():
            enrolled = enrol(
                conn, name="customer", kind=AccountKind.COMPANY, unit="CNY", clock=CLOCK
            )
            if balance:
                billing.top_up(
                    conn, enrolled.account.id, balance, key=secrets.token_hex(4), at=CLOCK.now()
                )
        customer = Customer(system, settings, enrolled, from_settings(settings), conn)
        try:
            yield customer
        finally:
            customer.conn.close()
