"""Uploads to charges: jobs a second, CPU a job, and seconds from upload to charged.

`identity` jobs on a stack of real servers, held against the four object calls that each of
them needs (PUT, ranged GET, GET, PUT) made bare by the same client in the same run, with 16
in flight in both. Bare and pipeline rounds take turns.
"""

import io
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import psycopg
from PIL import Image

from bench.figures import Figure, show
from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, from_settings
from infra.stack import Running, running
from schemas import keys
from schemas.ids import AccountId

IN_FLIGHT: Final = 16
ROUNDS: Final = 3
JOBS: Final = 800
LATENCY_S: Final = 20.0
_DEADLINE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Bench:
    stack: Running
    store: S3ObjectStore
    account: AccountId
    body: bytes

    def charged(self, conn: psycopg.Connection) -> int:
        row = conn.execute(
            "SELECT count(*) FROM holds WHERE account_id = %s AND state = 'captured'",
            (self.account,),
        ).fetchone()
        return int(row[0]) if row else 0

    def upload(self, name: str) -> float:
        """PUT one picture; return when that was done, as seconds since the epoch."""
        self.store.put(
            keys.input_key(self.account, "identity", name), self.body + name.encode(), "image/png"
        )
        return time.time()


def run() -> Iterator[Figure]:
    """Measure; about three minutes on two cores."""
    with _bench() as bench, _connected(bench) as conn:
        _pipeline(bench, conn, "warm", 200)
        bare: list[float] = []
        piped: list[float] = []
        cpu: list[dict[str, float]] = []
        for number in range(ROUNDS):
            bare.append(_bare(bench, f"round{number}"))
            before = _cpu_seconds(bench)
            piped.append(_pipeline(bench, conn, f"round{number}", JOBS))
            after = _cpu_seconds(bench)
            cpu.append({name: (after[name] - before[name]) / JOBS * 1000 for name in before})
        rate, bare_rate = statistics.median(piped), statistics.median(bare)
        yield Figure(
            "pipeline",
            f"identity, {IN_FLIGHT} in flight, against four bare object calls",
            rate,
            "jobs/s",
            bare_rate,
            rate / bare_rate,
        )
        for name in cpu[0]:
            used = statistics.median(round_[name] for round_ in cpu)
            yield Figure("pipeline", f"CPU of {name}", used, "ms/job")
        yield from _latency(bench, conn, rate / 3)


@contextmanager
def _bench() -> Iterator[_Bench]:
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory(prefix="picmend-bench-") as folder,
        running(Path(folder), processes=("streams", "worker")) as stack,
    ):
        config = stack.settings()
        with psycopg.connect(config.database_url.get_secret_value()) as conn:
            enrolled = enrol(conn, name="bench", kind=AccountKind.COMPANY, unit="CNY", clock=clock)
            billing.top_up(conn, enrolled.account.id, 10**9, key="bench", at=clock.now())
        picture = io.BytesIO()
        Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)).save(picture, "PNG")
        yield _Bench(stack, from_settings(config), enrolled.account.id, picture.getvalue())


@contextmanager
def _connected(bench: _Bench) -> Iterator[psycopg.Connection]:
    url = bench.stack.settings().database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn


def _bare(bench: _Bench, name: str) -> float:
    """Return jobs a second of the object calls alone."""

    def four_calls(number: int) -> None:
        key = f"bare/{name}/{number}"
        etag = bench.store.put(key, bench.body + key.encode(), "image/png")
        bench.store.get_range(key, 0, 512, if_match=etag)
        body = bench.store.get(key, max_bytes=1 << 20, if_match=etag)
        bench.store.put(key + ".out", body, "image/png")

    begun = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(four_calls, range(JOBS)))
    return JOBS / (time.perf_counter() - begun)


def _pipeline(bench: _Bench, conn: psycopg.Connection, name: str, jobs: int) -> float:
    """Return jobs a second from the first upload to the last charge."""
    goal = bench.charged(conn) + jobs
    begun = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(lambda number: bench.upload(f"{name}/{number}.png"), range(jobs)))
    _wait_charged(bench, conn, goal)
    return jobs / (time.perf_counter() - begun)


def _wait_charged(bench: _Bench, conn: psycopg.Connection, goal: int) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while bench.charged(conn) < goal:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{goal - bench.charged(conn)} jobs were not charged in time")
        time.sleep(0.02)


def _latency(bench: _Bench, conn: psycopg.Connection, rate: float) -> Iterator[Figure]:
    """Upload at a steady rate, whatever comes back, and see how long each job took."""
    jobs = int(rate * LATENCY_S)
    goal = bench.charged(conn) + jobs
    uploaded: dict[str, float] = {}
    lock = threading.Lock()

    def upload(number: int) -> None:
        name = f"steady/{number}.png"
        done = bench.upload(name)
        with lock:
            uploaded[keys.input_key(bench.account, "identity", name)] = done

    begun = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        for number in range(jobs):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            threads.submit(upload, number)
    _wait_charged(bench, conn, goal)
    rows = conn.execute(
        "SELECT j.source_key, extract(epoch FROM h.closed_at)::float8 FROM jobs j"
        " JOIN holds h ON h.job_id = j.id WHERE j.source_key LIKE %s",
        (keys.input_key(bench.account, "identity", "steady/") + "%",),
    ).fetchall()
    waits = sorted(charged - uploaded[key] for key, charged in rows)
    for share in (50, 99):
        value = waits[min(len(waits) - 1, len(waits) * share // 100)]
        yield Figure("pipeline", f"upload to charged at {rate:.0f} jobs/s, p{share}", value, "s")


def _cpu_seconds(bench: _Bench) -> dict[str, float]:
    """Return the CPU time that each process of the stack, and this one, has used."""
    pids = {"client": psutil.Process().pid}
    for server in bench.stack.stack.servers:
        identity = server.identity()
        if identity is not None:
            pids[server.name] = identity.pid
    for name in ("streams", "worker"):
        pid = bench.stack.process(name).pid
        if pid is not None:
            pids[name] = pid
    return {name: _with_children(pid) for name, pid in pids.items()}


def _with_children(pid: int) -> float:
    """Return user and system seconds of a process and those it started, ended ones too."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    own = float(times.user + times.system + times.children_user + times.children_system)
    if process.pid == psutil.Process().pid:
        return float(times.user + times.system)
    for child in process.children(recursive=True):
        used = child.cpu_times()
        own += float(used.user + used.system)
    return own


def main() -> None:
    """Run this benchmark alone."""
    show(run())


if __name__ == "__main__":
    main()
