"""What becomes of a batch: done, dead, or not acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import psycopg
import pytest

from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import BrokerUnavailableError, Message
from infra.stored_objects import StoreUnavailable
from streams.stage import UnreadableMessageError
from streams.supervised import Patience, Supervised
from tests.fakes.recorded_producer import RecordedProducer

QUICK = Patience(world_s=5.0, stopping_s=5.0, first_pause_s=0.001, longest_pause_s=0.002)


class GaveUpError(BaseException):
    """In these tests the process ends by this."""


def give_up() -> NoReturn:
    raise GaveUpError


class Notebook:
    """A stage that notes what is done; `poison` is never done, `unreadable` never read."""

    name = "notebook"
    topic = "notes"
    schema = "urn:notes"

    def __init__(self, before: Callable[[Sequence[bytes]], None] | None = None) -> None:
        self.done: list[bytes] = []
        self.steps = 0
        self._before = before or (lambda _: None)

    def decode(self, message: Message) -> bytes:
        if message.value.startswith(b"unreadable"):
            raise UnreadableMessageError("it is no note")
        if message.value.startswith(b"surprise"):
            raise RecursionError("nobody thought of that")
        return message.value

    def step(self, items: Sequence[bytes]) -> None:
        self.steps += 1
        self._before(items)
        if any(item.startswith(b"poison") for item in items):
            raise LookupError("a note that cannot be kept")
        self.done += items


def notes(*values: bytes) -> list[Message]:
    return [
        Message("notes", b"key-%d" % offset, value, partition=3, offset=offset)
        for offset, value in enumerate(values)
    ]


def supervised(
    stage: Notebook, producer: RecordedProducer, patience: Patience = QUICK
) -> Supervised[bytes]:
    letters = DeadLetters(producer, SystemClock())
    return Supervised(stage, letters, patience=patience, give_up=give_up)


def test_a_message_that_does_not_decode_is_dead_and_the_rest_is_done() -> None:
    stage, producer = Notebook(), RecordedProducer()

    supervised(stage, producer).carry_through(notes(b"a", b"unreadable", b"b"))

    assert stage.done == [b"a", b"b"]
    (dead,) = producer.stored
    assert (dead.topic, dead.key, dead.value) == ("notes.dlq", b"key-1", b"unreadable")
    facts = {name: value.decode() for name, value in dead.headers}
    assert facts.pop("first-seen")
    assert facts == {
        "reason": "unreadable",
        "topic": "notes",
        "partition": "3",
        "offset": "1",
        "error": "it is no note",
        "attempt": "1",
        "schema": "urn:notes",
    }


def test_a_decoder_that_fails_as_nobody_foresaw_still_leaves_the_rest_done() -> None:
    stage, producer = Notebook(), RecordedProducer()

    supervised(stage, producer).carry_through(notes(b"a", b"surprise", b"b"))

    assert stage.done == [b"a", b"b"]
    assert [dead.value for dead in producer.stored] == [b"surprise"]
    assert ("reason", b"refused") in producer.stored[0].headers


@pytest.mark.parametrize("place", [0, 137, 499])
def test_one_poisonous_message_among_500_is_dead_alone_and_the_others_are_done_once(
    place: int,
) -> None:
    values = [b"%d" % i for i in range(500)]
    values[place] = b"poison"
    stage, producer = Notebook(), RecordedProducer()

    supervised(stage, producer).carry_through(notes(*values))

    assert stage.done == [value for value in values if value != b"poison"]
    assert [dead.value for dead in producer.stored] == [b"poison"]
    assert ("error", b"a note that cannot be kept") in producer.stored[0].headers
    assert stage.steps < 20


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the server went away"),
        psycopg.errors.DeadlockDetected("two met"),
        psycopg.errors.SerializationFailure("again"),
        psycopg.InterfaceError("the connection is closed"),
        StoreUnavailable("503"),
        BrokerUnavailableError("no leader"),
        ConnectionResetError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_world_is_waited_out_and_nothing_is_skipped(error: Exception) -> None:
    failures = iter([error] * 4)

    def fail(_: Sequence[bytes]) -> None:
        for failure in failures:
            raise failure

    stage, producer = Notebook(fail), RecordedProducer()

    supervised(stage, producer).carry_through(notes(b"a", b"b"))

    assert stage.done == [b"a", b"b"]
    assert stage.steps == 5
    assert producer.stored == []


def test_dead_letters_wait_for_a_broker_that_is_away() -> None:
    stage, producer = Notebook(), RecordedProducer(away=3)

    supervised(stage, producer).carry_through(notes(b"unreadable", b"a"))

    assert [dead.value for dead in producer.stored] == [b"unreadable"]
    assert stage.done == [b"a"]


def test_a_world_that_stays_wrong_ends_the_process_with_nothing_done_or_dead() -> None:
    def fail(_: Sequence[bytes]) -> None:
        raise StoreUnavailable("503")

    stage, producer = Notebook(fail), RecordedProducer()
    patience = Patience(world_s=0.01, first_pause_s=0.001, longest_pause_s=0.002)

    with pytest.raises(GaveUpError):
        supervised(stage, producer, patience).carry_through(notes(b"a", b"b"))

    assert stage.done == []
    assert producer.stored == []
    assert stage.steps > 1


def test_a_message_that_can_be_neither_done_nor_buried_ends_the_process() -> None:
    stage, producer = Notebook(), RecordedProducer()
    huge = b"unreadable" + bytes(2**20)

    with pytest.raises(GaveUpError):
        supervised(stage, producer).carry_through(notes(b"a", huge))

    assert producer.stored == []
