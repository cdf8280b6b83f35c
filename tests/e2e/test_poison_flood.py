"""A flood of poison on a topic halts that stage alone; nothing is lost, each letter is one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from infra.clock import SystemClock
from infra.dead_letters import LetterBox
from infra.health import Health
from infra.kafka import KafkaPythonProducer, Message
from infra.stack import Running, running
from infra.stack.looks import ask, monitor_of
from infra.topic_reader import TopicReader
from schemas import events, topics
from tests.e2e.customer import Customer, customer_of, picture, wait_until
from tests.integration.streams.streams_world import job_request

if TYPE_CHECKING:
    from schemas.ids import AccountId

pytestmark = pytest.mark.timed

FLOOD = 1500
BEHIND = 24_000
"""More than fits into a stage's buffer: what is full must not hold up other stages."""
PAUSE_S = 1.5


class System:
    """Streams on servers of their own, whose stages try again soon, and eyes on them."""

    def __init__(self, place: Path, system: Running) -> None:
        self.running = system
        self._place = place
        self.producer = KafkaPythonProducer(system.settings().kafka_bootstrap, client_id="test")

    def health(self) -> Health | None:
        address = monitor_of(self._place, "streams")
        return ask(address) if address else None

    def halted(self) -> tuple[str, ...]:
        health = self.health()
        return health.halted if health else ("unknown",)

    def alarm(self, stage: str) -> float:
        answer = httpx.get(f"http://{monitor_of(self._place, 'streams')}/metrics").text
        name = f'picmend_consumer_halted{{stage="{stage}"}} '
        (line,) = (line for line in answer.splitlines() if line.startswith(name))
        return float(line.removeprefix(name))

    def said(self, event: str) -> int:
        return self.running.process("streams").log.read_text().count(f'"{event}"')

    def flood(self, mark: str) -> set[bytes]:
        """Send garbage to intake, no two alike."""
        bodies = {f"{mark} {number}".encode() for number in range(FLOOD)}
        self.producer.send_all([Message(topics.OBJECT_EVENTS, b"k", body) for body in bodies])
        # Behind it, on every partition, what intake may pass over.
        for start in range(0, BEHIND, 4000):
            self.producer.send_all(
                [
                    Message(topics.OBJECT_EVENTS, b"/buckets/another/%d" % number, b"")
                    for number in range(start, start + 4000)
                ]
            )
        return bodies

    def letters(self, mark: str) -> Counter[bytes]:
        """Return the dead letters of one flood."""
        reader = TopicReader(self.running.settings().kafka_bootstrap, client_id="test")
        try:
            found = LetterBox(reader).letters(topics.OBJECT_EVENTS)
            bodies = (letter.message.value for letter in found)
            return Counter(body for body in bodies if body.startswith(mark.encode()))
        finally:
            reader.close()

    def request(self, account: AccountId, path: str) -> str:
        """Ask admission for a job, past intake; return its key."""
        at = SystemClock().now()
        asked = job_request(account, path, at=at)
        body = events.job_requested(asked, at=at).encode()
        self.producer.send_all([Message(topics.JOB_REQUESTS, account.encode(), body)])
        return asked.key

    def allow(self, count: int) -> None:
        asked = ["dlq", "allow", topics.OBJECT_EVENTS, "--count", str(count), "--yes"]
        done = CliRunner().invoke(app, asked, env=dict(self.running.environment))
        assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    place = tmp_path_factory.mktemp("flood")
    env = {
        "PICMEND_REFUSED_PAUSE_S": str(PAUSE_S),
        # What only its event can bring about: the reconciler would find uploads by itself.
        "PICMEND_RECONCILER_ENABLED": "false",
    }
    with running(place, processes=("streams",), env=env, durable=False) as system:
        own = System(place, system)
        yield own
        own.producer.close()


@pytest.fixture
def customer(own: System) -> Iterator[Customer]:
    with customer_of(own.running) as customer:
        yield customer


def decided(customer: Customer, *keys: str) -> bool:
    return set(keys) <= customer.jobs().keys()


def test_a_flood_halts_its_stage_alone_until_an_operator_allows_its_letters(
    own: System, customer: Customer
) -> None:
    pid = own.running.process("streams").pid
    bodies = own.flood("first")
    behind = customer.upload("identity", "behind.png", picture())
    wait_until(lambda: own.halted() == (topics.OBJECT_EVENTS,), within_s=30, what="halted")
    before = own.letters("first")
    assert own.alarm("intake") == 1
    assert own.said("stage_halted") == 1

    # Its trials go on for longer than whoever watches processes bears a standstill.
    begun, trials = time.monotonic(), own.said("stage_still_halted")
    wait_until(
        lambda: own.said("stage_still_halted") - trials >= 20 / PAUSE_S,
        within_s=60,
        what="trials",
    )
    assert time.monotonic() - begun > 15
    beside = own.request(customer.id, "beside.png")
    wait_until(lambda: decided(customer, beside), within_s=30, what="another stage goes on")

    assert own.running.process("streams").pid == pid
    assert own.letters("first") == before
    assert not decided(customer, behind)

    own.allow(FLOOD)
    wait_until(lambda: decided(customer, behind), within_s=90, what="it goes on by itself")
    wait_until(lambda: own.letters("first").total() >= FLOOD, within_s=60, what="all are letters")
    wait_until(lambda: own.halted() == (), within_s=30, what="no longer halted")
    assert own.alarm("intake") == 0
    assert own.letters("first") == Counter(bodies)
    assert own.running.process("streams").pid == pid


def test_a_stop_ends_a_halted_process_soon_and_the_next_one_halts_before_it_buries_many(
    own: System, customer: Customer
) -> None:
    bodies = own.flood("second")
    behind = customer.upload("identity", "behind.png", picture())
    wait_until(lambda: own.halted() == (topics.OBJECT_EVENTS,), within_s=30, what="halted")
    # The first of them were few among what came in the last minute, and may have been buried.
    before = own.letters("second")
    streams = own.running.process("streams")

    begun = time.monotonic()
    streams.stop()
    took_s = time.monotonic() - begun
    beside = own.request(customer.id, "beside.png")
    streams.start()
    streams.wait_ready()
    wait_until(lambda: own.halted() == (topics.OBJECT_EVENTS,), within_s=60, what="halted again")
    wait_until(lambda: decided(customer, beside), within_s=30, what="another stage goes on")

    assert took_s < 8
    # A few more may be a small share of what came beside them; never so many in a row.
    assert (own.letters("second") - before).total() < own.running.settings().refused_in_a_row

    own.allow(FLOOD)
    wait_until(lambda: decided(customer, behind), within_s=90, what="it goes on by itself")
    wait_until(lambda: own.letters("second").total() >= FLOOD, within_s=60, what="all are letters")
    assert own.letters("second") == Counter(bodies)
