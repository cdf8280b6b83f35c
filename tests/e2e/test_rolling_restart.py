"""Every process restarted in turn, under load: nothing is lost, and nothing waits for long."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.e2e.beside import one_more
from tests.e2e.customer import customer_of, picture, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.stack import Running
    from tests.e2e.customer import Customer

pytestmark = pytest.mark.timed

UPLOADS_A_SECOND: Final = 8
REQUESTS_A_SECOND: Final = 4
ROUNDS: Final = 2
MARGIN_S: Final = 10.0
"""What a restart may take beyond the lease: a process comes up in seconds, on a busy machine."""


@dataclass
class Load:
    """What was sent, and when; and what requests to the API met with."""

    customer: Customer
    body: bytes = field(default_factory=picture)
    sent: dict[str, datetime] = field(default_factory=dict)
    jobs: dict[str, datetime] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)

    def upload(self, number: int) -> None:
        at = datetime.now(UTC)
        self.sent[self.customer.upload("identity", f"{number}.png", self.body + b"%d" % number)] = (
            at
        )

    def request(self, number: int) -> None:
        """Ask for a job, again with the same key for as long as nobody answers."""
        at = datetime.now(UTC)
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = httpx.post(
                    f"{self.customer.system.api_url}/v1/jobs",
                    headers={
                        "Authorization": f"Bearer {self.customer.enrolled.api_key}",
                        "Idempotency-Key": f"rolling-{number}",
                    },
                    data={"preset": "identity"},
                    files={"image": ("a.png", self.body + b"api %d" % number, "image/png")},
                    timeout=30,
                )
            except httpx.TransportError as error:
                self.met[type(error).__name__] += 1
                if time.monotonic() > deadline:
                    raise
                threading.Event().wait(0.2)
            else:
                self.met[str(answer.status_code)] += 1
                self.jobs[answer.json()["id"]] = at
                return


@contextmanager
def steady(load: Load) -> Iterator[None]:
    """Send at a steady rate for as long as the block lasts; what a sender raises comes out."""
    ended = threading.Event()
    begun = time.monotonic()

    def beat(rate: int, send: Callable[[int], None]) -> None:
        number = 0
        while not ended.wait(max(0.0, begun + number / rate - time.monotonic())):
            waiting.append(threads.submit(send, number))
            number += 1

    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(64) as threads:
        beats = [
            threading.Thread(target=beat, args=(UPLOADS_A_SECOND, load.upload)),
            threading.Thread(target=beat, args=(REQUESTS_A_SECOND, load.request)),
        ]
        for thread in beats:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in beats:
                thread.join()
    for outcome in waiting:
        outcome.result()


def waits(load: Load) -> dict[str, float]:
    """Return, by job, the seconds from sending it to its charge."""
    rows = load.customer.conn.execute(
        "SELECT j.id, j.source_key, h.closed_at FROM jobs j JOIN holds h ON h.job_id = j.id"
        " WHERE j.account_id = %s AND h.state = 'captured'",
        (load.customer.id,),
    ).fetchall()
    begun = {**load.sent, **load.jobs}
    return {
        job: (closed - begun[job if job in begun else key]).total_seconds()
        for job, key, closed in rows
    }


def caught_up(customer: Customer, sent: list[str]) -> None:
    """Return when all of these are done: who restarts the next at once adds up the delays."""

    def done() -> bool:
        jobs = customer.jobs()
        return all(jobs.get(key) == ("succeeded", None) for key in sent)

    wait_until(done, within_s=60, what="what was sent is done")


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


def test_restarting_every_process_in_turn_loses_nothing_and_delays_no_job_beyond_its_lease(
    customer: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(customer)
    took: list[str] = []
    with steady(load):
        for _ in range(ROUNDS):
            for name in ("api", "streams", "worker"):
                process = customer.system.process(name)
                before, begun = process.pid, time.monotonic()
                process.stop()
                stopped = time.monotonic()
                process.start()
                process.wait_ready()
                assert process.pid != before
                took.append(f"{name} {stopped - begun:.1f}+{time.monotonic() - stopped:.1f}")
                caught_up(customer, list(load.sent))

    customer.wait_ended(list(load.sent), within_s=60)
    waited = waits(load)
    longest = max(waited, key=lambda job: waited[job])
    with capsys.disabled():
        print(  # noqa: T201 - the figure is what the test is asked for
            f"\nrolling restart: {len(waited)} jobs, upload to charged at most"
            f" {waited[longest]:.1f} s; stop+start in seconds: {', '.join(took)};"
            f" the API answered {dict(load.met)}"
        )
    assert len(waited) == len(load.sent) + len(load.jobs)
    assert set(customer.jobs().values()) == {("succeeded", None)}
    customer.assert_charged_exactly_once(list(customer.jobs()), each=1)
    assert set(load.met) <= {"202", "ConnectError"}, load.met
    assert waited[longest] < customer.settings.lease_s + MARGIN_S, longest


def test_what_a_stopping_worker_leaves_is_taken_by_another_while_it_finishes(
    customer: Customer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = customer.system.process("worker")
    with one_more(customer.system, "processors.worker", tmp_path) as second:
        long = customer.upload("upscale-photo-x4", "long.png", picture(208, 208))
        wait_until(
            lambda: customer.jobs().get(long) == ("running", None), within_s=20, what="it runs"
        )
        row = customer.conn.execute(
            "SELECT worker FROM jobs WHERE account_id = %s", (customer.id,)
        ).fetchone()
        assert row is not None
        begun = time.monotonic()
        if row[0].endswith(f"-{second.pid}"):
            second.terminate()
            stopping = None
        else:
            stopping = threading.Thread(target=first.stop)
            stopping.start()
        short = [customer.upload("identity", f"{n}.png", picture(seed=n)) for n in range(16)]
        wait_until(
            lambda: all(customer.jobs().get(key) == ("succeeded", None) for key in short),
            within_s=30,
            what="the short ones done",
        )
        took = time.monotonic() - begun
        still = customer.jobs()[long][0]
        if stopping is not None:
            stopping.join()
            first.start()
            first.wait_ready()
        customer.wait_ended([long, *short], within_s=120)
    with capsys.disabled():
        print(f"\na worker stops: the next jobs were done {took:.1f} s later, its own was {still}")  # noqa: T201 - the figure
    assert still == "running"
    losses = customer.conn.execute(
        "SELECT lease_losses FROM jobs WHERE account_id = %s AND source_key = %s",
        (customer.id, long),
    ).fetchone()
    assert losses == (0,)
    customer.assert_charged_exactly_once(short, each=1)
