"""What one photo waits behind another client's 20,000 uploads. By hand, not with the others.

`python -m bench.fairness [UPLOADS]`: A uploads so many objects; a second later B uploads one, and
sends one to the API. Told is how long each of B's takes to start, and how much of A's waited then.
"""

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psycopg
from PIL import Image

from bench.figures import Figure, show
from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import Enrolled, enrol
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, from_settings
from infra.stack import running
from schemas import keys

UPLOADS: Final = 20_000
AT_ONCE: Final = 16
API_AIM_S: Final = 2.0
_DEADLINE_S: Final = 900.0
_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class _Clients:
    many: Enrolled
    one: Enrolled
    store: S3ObjectStore
    conn: psycopg.Connection
    api_url: str

    def upload(self, who: Enrolled, name: str) -> str:
        """PUT a picture; return its key."""
        key = keys.input_key(who.account.id, "identity", name)
        self.store.put(key, _picture() + name.encode(), "image/png")
        return key

    def wait_started(self, wanted: str) -> float:
        """Wait until B's job of an id or a source's key started; return when, since the epoch.

        Raises `TimeoutError`.
        """
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            row = self.conn.execute(
                "SELECT extract(epoch FROM started_at)::float8 FROM jobs"
                " WHERE account_id = %s AND %s IN (id, source_key) AND started_at IS NOT NULL",
                (self.one.account.id, wanted),
            ).fetchone()
            if row:
                return float(row[0])
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted} did not start in {_DEADLINE_S:.0f} s")
            time.sleep(0.05)

    def of_many(self, states: str) -> int:
        """Return how many of A's jobs are in these states, `all` or one by name."""
        row = self.conn.execute(
            "SELECT count(*) FROM jobs WHERE account_id = %s AND (%s = 'all' OR state = %s)",
            (self.many.account.id, states, states),
        ).fetchone()
        return int(row[0]) if row else 0


def run(uploads: int = UPLOADS) -> Iterator[Figure]:
    """Measure; minutes, most of them A's uploads."""
    with _clients() as clients:
        begun = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda n: clients.upload(clients.many, f"{n}.png"), range(uploads)))
        yield _figure("A's uploads", uploads / (time.monotonic() - begun), "PUT/s")
        time.sleep(1.0)
        undecided = uploads - clients.of_many("all")
        yield _figure("A's uploads that were no jobs yet when B came", undecided, "uploads")
        yield _figure("A's jobs in line when B came", clients.of_many("queued"), "jobs")
        key = clients.upload(clients.one, "photo.png")
        uploaded = time.time()
        job, asked = _ask(clients)
        from_api = clients.wait_started(job) - asked
        yield Figure(
            "fairness",
            "B's job from the API, asked to started, against the aim",
            from_api,
            "s",
            API_AIM_S,
            from_api / API_AIM_S,
        )
        by_upload = clients.wait_started(key) - uploaded
        yield _figure("B's upload, done to started", by_upload, "s")
        yield _figure("A's jobs in line by then", clients.of_many("queued"), "jobs")


def _ask(clients: _Clients) -> tuple[str, float]:
    """Send a picture to the API as B; return the job and when it was asked for."""
    headers = {
        "Authorization": f"Bearer {clients.one.api_key}",
        "Idempotency-Key": "one",
    }
    asked = time.time()
    with httpx.Client(base_url=clients.api_url, headers=headers, timeout=90) as api:
        answer = api.post(
            "/v1/jobs",
            data={"preset": "identity"},
            files={"image": ("a.png", _picture(), "image/png")},
        )
    answer.raise_for_status()
    return str(answer.json()["id"]), asked


def _figure(case: str, value: float, unit: str) -> Figure:
    return Figure("fairness", case, value, unit)


def _picture() -> bytes:
    picture = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)).save(picture, "PNG")
    return picture.getvalue()


@contextmanager
def _clients() -> Iterator[_Clients]:
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        running(Path(folder)) as system,
    ):
        config = system.settings()
        url = config.database_url.get_secret_value()
        with psycopg.connect(url, autocommit=True) as conn:
            with conn.transaction():
                many, one = (
                    enrol(conn, name=name, kind=AccountKind.COMPANY, unit="CNY", clock=_CLOCK)
                    for name in ("many", "one")
                )
                for each in (many, one):
                    billing.top_up(conn, each.account.id, 10**9, key="bench", at=_CLOCK.now())
            yield _Clients(many, one, from_settings(config), conn, system.api_url)


def main() -> None:
    """Run this benchmark alone."""
    show(run(int(sys.argv[1]) if len(sys.argv) > 1 else UPLOADS))


if __name__ == "__main__":
    main()
