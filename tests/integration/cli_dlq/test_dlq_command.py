"""`picmend dlq` on the real broker, on a topic of each test's own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.dlq import app
from infra.clock import SystemClock
from infra.dead_letters import Clerk, DeadLetters, DeadReason, LetterBox
from infra.kafka import BrokerUnavailableError, KafkaPythonProducer, Message
from infra.kafka_topics import TopicSpec, create_topics
from infra.topic_reader import TopicReader

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.stack import Stack
    from infra.stack.isolation import Broker

Command = Callable[..., "Result"]
Bury = Callable[..., None]

GARBAGE = b"\x1b[31m\x00\xff" + bytes(range(40))


@pytest.fixture
def dlq(stack: Stack) -> Command:
    """Run `picmend dlq` on the stack."""
    environment = {**stack.environment, "COLUMNS": "200"}

    def run(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment, input=answer)

    return run


@pytest.fixture
def producer(kafka: Broker) -> Iterator[KafkaPythonProducer]:
    producer = KafkaPythonProducer(kafka.bootstrap, client_id="test")
    yield producer
    producer.close()


@pytest.fixture
def reader(kafka: Broker) -> Iterator[TopicReader]:
    reader = TopicReader(kafka.bootstrap, client_id="test")
    yield reader
    reader.close()


@pytest.fixture
def source(kafka: Broker) -> str:
    """A topic with a dead-letter topic."""
    name = kafka.new_topic("letters")
    create_topics(kafka.bootstrap, topics=[TopicSpec(f"{name}.dlq", timedelta(days=1), 1)])
    return name


@pytest.fixture
def bury(producer: KafkaPythonProducer, source: str) -> Bury:
    """Put a message of the topic among its dead letters."""
    letters = DeadLetters(producer, SystemClock())

    def put(
        value: bytes,
        *,
        key: bytes | None = b"acc_1",
        reason: DeadReason = DeadReason.UNREADABLE,
        error: str = "no good",
    ) -> None:
        message = Message(source, key, value, partition=4, offset=77)
        letters.put(message, reason=reason, error=error, attempt=1, schema="urn:s")

    return put


def groups_of(listed: Result, topic: str) -> dict[str, int]:
    assert listed.exit_code == 0, listed.output
    found = json.loads(listed.stdout)["groups"]
    return {group["reason"]: group["count"] for group in found if group["topic"] == topic}


def sent(reader: TopicReader, topic: str) -> list[tuple[bytes | None, bytes]]:
    return [(message.key, message.value) for message in reader.read(topic)]


def test_open_letters_are_counted_by_topic_and_reason_with_their_times(
    dlq: Command, bury: Bury, source: str
) -> None:
    for _ in range(3):
        bury(GARBAGE)
    bury(b"{}", reason=DeadReason.REFUSED)

    listed = dlq("list", "--json")

    assert groups_of(listed, source) == {"unreadable": 3, "refused": 1}
    (group,) = [
        group
        for group in json.loads(listed.stdout)["groups"]
        if group["topic"] == source and group["reason"] == "unreadable"
    ]
    assert group["first"] <= group["last"]
    assert source in dlq("list").stdout


def test_a_letter_is_shown_with_its_headers_and_its_json_indented(
    dlq: Command, bury: Bury, source: str
) -> None:
    bury('{"name": "小猫", "bad": "\\u001b[2J"}'.encode())

    shown = dlq("show", source).stdout

    assert "reason: unreadable" in shown
    assert "error: no good" in shown
    assert f"topic: {source}" in shown
    assert "offset: 77" in shown
    assert "key: acc_1" in shown
    assert '"name": "小猫"' in shown
    assert "\x1b" not in shown


def test_bytes_that_are_no_json_are_shown_as_a_hex_dump_that_no_terminal_acts_upon(
    dlq: Command, bury: Bury, source: str
) -> None:
    bury(GARBAGE, key=b"\xff\x1b[0m")

    shown = dlq("show", f"{source}.dlq").stdout

    assert "00000000  1b 5b 33 31 6d 00 ff" in shown
    assert "key: \\xff\\x1b[0m" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 10_000, b"", b"\xed\xa0\x80"])
def test_any_bytes_can_be_shown(dlq: Command, bury: Bury, source: str, body: bytes) -> None:
    bury(body)
    assert dlq("show", source).exit_code == 0
    (record,) = json.loads(dlq("show", source, "--json").stdout)["letters"]
    assert base64.b64decode(record["payload_base64"]) == body


def test_as_many_letters_are_shown_as_were_asked_for_the_oldest_first(
    dlq: Command, bury: Bury, source: str
) -> None:
    for number in range(4):
        bury(b"%d" % number)
    records = json.loads(dlq("show", source, "--limit", "2", "--json").stdout)["letters"]
    assert [base64.b64decode(record["payload_base64"]) for record in records] == [b"0", b"1"]


def test_a_replayed_letter_goes_back_with_its_bytes_and_key_and_is_no_longer_open(
    dlq: Command, bury: Bury, source: str, reader: TopicReader
) -> None:
    bury(b"stays")
    bury(GARBAGE, key=None)

    replayed = dlq("replay", source, "--offset", "1", "--yes", "--json")

    assert replayed.exit_code == 0
    assert json.loads(replayed.stdout) == {"replayed": 1, "came_back": 0, "stopped": False}
    assert sent(reader, source) == [(None, GARBAGE)]
    assert groups_of(dlq("list", "--json"), source) == {"unreadable": 1}
    assert "stays" in dlq("show", source).stdout


def test_replaying_a_letter_that_is_done_sends_nothing_again(
    dlq: Command, bury: Bury, source: str, reader: TopicReader
) -> None:
    bury(b"once")
    for expected in (1, 0):
        replayed = dlq("replay", source, "--offset", "0", "--yes", "--json")
        assert replayed.exit_code == 0
        assert json.loads(replayed.stdout)["replayed"] == expected
    assert sent(reader, source) == [(b"acc_1", b"once")]


def test_a_crash_before_the_mark_leaves_a_letter_open_and_it_is_sent_again(
    dlq: Command,
    bury: Bury,
    source: str,
    reader: TopicReader,
    producer: KafkaPythonProducer,
) -> None:
    class OneCall:
        """Sends once, and then is away."""

        def __init__(self) -> None:
            self.calls = 0

        def send_all(self, messages: Sequence[Message]) -> None:
            self.calls += 1
            if self.calls > 1:
                raise BrokerUnavailableError("away")
            producer.send_all(messages)

    bury(b"{}")
    with pytest.raises(BrokerUnavailableError):
        Clerk(OneCall()).replay(list(LetterBox(reader).open(source)))
    assert groups_of(dlq("list", "--json"), source) == {"unreadable": 1}

    dlq("replay", source, "--all", "--yes")

    assert groups_of(dlq("list", "--json"), source) == {}
    assert sent(reader, source) == [(b"acc_1", b"{}")] * 2


def test_letters_can_be_chosen_by_their_reason(
    dlq: Command, bury: Bury, source: str, reader: TopicReader
) -> None:
    bury(b"unreadable")
    bury(b"refused", reason=DeadReason.REFUSED)
    bury(b"refused too", reason=DeadReason.REFUSED)

    replayed = dlq("replay", source, "--reason", "refused", "--yes", "--json")
    assert json.loads(replayed.stdout)["replayed"] == 2

    assert [value for _, value in sent(reader, source)] == [b"refused", b"refused too"]
    assert groups_of(dlq("list", "--json"), source) == {"unreadable": 1}


def test_dropped_letters_are_sent_nowhere_but_can_still_be_looked_at(
    dlq: Command, bury: Bury, source: str, reader: TopicReader
) -> None:
    for _ in range(501):
        bury(b"{}")

    dropped = dlq("drop", source, "--all", "--yes", "--json")

    assert json.loads(dropped.stdout) == {"dropped": 501}
    assert groups_of(dlq("list", "--json"), source) == {}
    assert sent(reader, source) == []
    assert "No dead letters" in dlq("show", source).stdout
    assert "reason: unreadable" in dlq("show", source, "--offset", "500").stdout


def test_a_letter_that_comes_after_a_drop_is_open(dlq: Command, bury: Bury, source: str) -> None:
    bury(b"old")
    dlq("drop", source, "--all", "--yes")
    bury(b"new")
    (record,) = json.loads(dlq("show", source, "--json").stdout)["letters"]
    assert base64.b64decode(record["payload_base64"]) == b"new"


def test_nothing_is_done_without_a_yes(
    dlq: Command, bury: Bury, source: str, reader: TopicReader
) -> None:
    bury(b"{}")
    refused = dlq("replay", source, "--all", answer="n\n")
    assert refused.exit_code == 1
    assert f"Replay 1 of {source}?" in refused.stderr
    assert sent(reader, source) == []
    agreed = dlq("drop", source, "--all", answer="y\n")
    assert agreed.exit_code == 0
    assert agreed.stdout.endswith("1 dropped.\n")


def test_a_topic_without_dead_letters_and_an_offset_without_a_letter_are_told_apart(
    dlq: Command, source: str
) -> None:
    nowhere = dlq("show", "no-such-topic")
    assert nowhere.exit_code == 1
    assert "job-requests" in nowhere.stderr
    nothing = dlq("drop", source, "--offset", "5", "--yes")
    assert nothing.exit_code == 1
    assert "0/5" in nothing.stderr
    assert dlq("drop", source, "--all", "--yes").exit_code == 0


@pytest.mark.parametrize(
    "choice",
    [
        (),
        ("--all", "--offset", "1"),
        ("--all", "--reason", "x"),
        ("--offset", "1", "--since", "2026-01-01"),
    ],
)
def test_exactly_one_way_of_choosing_must_be_given(
    dlq: Command, source: str, choice: tuple[str, ...]
) -> None:
    assert dlq("replay", source, *choice).exit_code == 2


def test_a_broker_that_is_away_is_told_with_exit_code_3(stack: Stack) -> None:
    # A process of its own: Kafka's client leaves sockets open when it finds no broker.
    told = subprocess.run(
        [sys.executable, "-m", "cli.main", "dlq", "list"],
        env={**os.environ, **stack.environment, "PICMEND_KAFKA_BOOTSTRAP": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 3
    assert "Kafka does not answer" in told.stderr
