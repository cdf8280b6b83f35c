"""Letters grouped by what is wrong, and replayed at a rate, until they come back dead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.dlq import app
from infra.allowances import KafkaAllowances
from infra.clock import SystemClock
from infra.dead_letters import Clerk, DeadLetter, DeadLetters, DeadReason, LetterBox
from infra.kafka import KafkaPythonProducer, Message
from infra.kafka_topics import TopicSpec, create_topics
from infra.replay import Pace, Replay
from infra.topic_reader import TopicReader

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.stack import Stack
    from infra.stack.isolation import Broker

Command = Callable[..., "Result"]
Bury = Callable[..., None]


@dataclass
class PassingTime:
    """Time that passes when somebody sleeps, and what happens then."""

    at: float = 0.0
    meanwhile: Callable[[], None] = lambda: None
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)
        self.meanwhile()


@pytest.fixture
def dlq(stack: Stack) -> Command:
    environment = {**stack.environment, "COLUMNS": "200"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment)

    return run


@pytest.fixture
def producer(kafka: Broker) -> Iterator[KafkaPythonProducer]:
    producer = KafkaPythonProducer(kafka.bootstrap, client_id="test")
    yield producer
    producer.close()


@pytest.fixture
def source(kafka: Broker) -> str:
    name = kafka.new_topic("letters")
    create_topics(kafka.bootstrap, topics=[TopicSpec(f"{name}.dlq", timedelta(days=1), 1)])
    return name


@pytest.fixture
def bury(producer: KafkaPythonProducer, source: str) -> Bury:
    letters = DeadLetters(producer, SystemClock())

    def put(value: bytes, error: str = "no good") -> None:
        message = Message(source, b"acc_1", value, partition=4, offset=77)
        letters.put(message, reason=DeadReason.REFUSED, error=error, attempt=1, schema="urn:s")

    return put


@contextmanager
def reading(kafka: Broker) -> Iterator[TopicReader]:
    reader = TopicReader(kafka.bootstrap, client_id="test")
    yield reader
    reader.close()


def test_letters_are_grouped_by_error_without_its_ids_and_numbers(
    dlq: Command, bury: Bury, source: str
) -> None:
    for number in range(3):
        bury(
            b"%d" % number, f"job_{'ab' * (number + 1)} has 'photo {number}.png' of {number} bytes"
        )
    bury(b"x", "the key holds U+0000")

    listed = json.loads(dlq("list", "--json").stdout)["groups"]

    groups = {
        g["error"]: (g["count"], g["example"]["offset"]) for g in listed if g["topic"] == source
    }
    assert groups == {"job_… has '…' of # bytes": (3, 0), "the key holds U+#": (1, 3)}
    shown = dlq("list", "--error", "U+").stdout
    assert "the key holds" in shown
    assert "bytes" not in shown


def test_letters_can_be_chosen_by_error_and_time(dlq: Command, bury: Bury, source: str) -> None:
    bury(b"a", "too late by 3 s")
    bury(b"b", "too early")

    def would(*options: str) -> int:
        told = dlq("replay", source, "--dry-run", "--json", *options)
        return int(json.loads(told.stdout)["would_replay"])

    assert would("--error", "too late by # s") == 1
    assert would("--error", "by 3") == 1
    assert would("--error", "too") == 2
    assert would("--reason", "refused", "--error", "early") == 1
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert would("--since", tomorrow) == 0
    assert would("--since", "2026-01-01") == 2
    assert would("--all") == 2


def test_a_replay_takes_its_time(
    kafka: Broker, producer: KafkaPythonProducer, bury: Bury, source: str
) -> None:
    for number in range(10):
        bury(b"%d" % number)
    time = PassingTime()
    with reading(kafka) as letters, reading(kafka) as returned:
        replay = Replay(Clerk(producer), returned, source, Pace(rate=2, watch_s=3), time)
        done = replay.run(LetterBox(letters).open(source), lambda _sent, _back: None)
        assert [m.value for m in letters.read(source)] == [b"%d" % n for n in range(10)]
    assert (done.sent, done.came_back, done.stopped) == (10, 0, False)
    assert time.at == pytest.approx(10 / 2 + 3)


def test_a_replay_stops_when_what_it_sends_comes_back_and_leaves_the_rest_open(
    kafka: Broker, producer: KafkaPythonProducer, bury: Bury, source: str
) -> None:
    for number in range(20):
        bury(b"%d" % number)
    with reading(kafka) as letters, reading(kafka) as returned, reading(kafka) as consumer:
        refused: set[int] = set()

        def refuse_what_came() -> None:
            for message in list(consumer.read(source)):
                if message.offset not in refused:
                    refused.add(message.offset)
                    bury(message.value)

        time = PassingTime(meanwhile=refuse_what_came)
        pace = Pace(rate=4, stop_after=5)
        waiting = list(LetterBox(letters).open(source))
        done = Replay(Clerk(producer), returned, source, pace, time).run(
            iter(waiting), lambda _sent, _back: None
        )

        assert (done.came_back, done.stopped) == (8, True)
        assert done.sent == 8
        still: list[DeadLetter] = list(LetterBox(letters).open(source))
        assert [letter.message.value for letter in still] == [
            *(b"%d" % number for number in range(8, 20)),
            *(b"%d" % number for number in range(8)),
        ]


def test_a_new_letter_that_was_not_replayed_is_no_reason_to_stop(
    kafka: Broker, producer: KafkaPythonProducer, bury: Bury, source: str
) -> None:
    bury(b"mine")
    with reading(kafka) as letters, reading(kafka) as returned:
        time = PassingTime(meanwhile=lambda: bury(b"another's"))
        pace = Pace(rate=1, stop_after=1)
        waiting = list(LetterBox(letters).open(source))
        done = Replay(Clerk(producer), returned, source, pace, time).run(
            iter(waiting), lambda _sent, _back: None
        )
    assert (done.sent, done.came_back) == (1, 0)


def test_an_allowance_is_used_up_by_letters_and_replaced_by_the_next(
    kafka: Broker, dlq: Command, bury: Bury, source: str
) -> None:
    allowances = KafkaAllowances(kafka.bootstrap, SystemClock())
    bury(b"before")
    assert allowances.left(source) == 0

    allowed = dlq("allow", source, "--count", "3", "--yes", "--json")
    assert json.loads(allowed.stdout) == {"allowed": 3, "topic": source}
    assert allowances.left(source) == 3
    for _ in range(2):
        bury(b"{}")
    dlq("drop", source, "--all", "--yes")
    assert allowances.left(source) == 1
    dlq("allow", source, "--count", "7", "--yes")
    assert allowances.left(source) == 7
    dlq("allow", source, "--count", "0", "--yes")
    assert allowances.left(source) == 0
    # An allowance is no letter.
    listed = json.loads(dlq("list", "--json").stdout)["groups"]
    assert source not in {group["topic"] for group in listed}


def test_an_allowance_ends_after_an_hour(kafka: Broker, dlq: Command, source: str) -> None:
    dlq("allow", source, "--count", "3", "--yes")
    later = PassingTime(at=(datetime.now(UTC) + timedelta(minutes=61)).timestamp())
    assert KafkaAllowances(kafka.bootstrap, later).left(source) == 0
