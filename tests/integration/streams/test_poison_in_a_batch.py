"""One request in 500 that no table can hold: it is dead, the others are decided."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, NoReturn

from typer.testing import CliRunner

from cli.dlq import app
from infra.clock import SystemClock
from infra.dead_letters import DeadLetter, DeadLetters, LetterBox
from infra.kafka import Message
from schemas import topics
from schemas.events import JobRequested, dataschema
from schemas.ids import AccountId
from schemas.states import JobState
from streams.admission import Admission
from streams.supervised import Supervised
from tests.integration.streams.streams_world import LIFETIME, World

if TYPE_CHECKING:
    from infra.kafka import KafkaPythonProducer
    from infra.stack import Stack
    from infra.topic_reader import TopicReader

PLACE = 250


def give_up() -> NoReturn:
    raise AssertionError("the process would have ended")


def poisoned_batch(world: World, account: AccountId) -> list[Message]:
    batch = [
        world.message(world.request(account, f"photo-{number}"), number) for number in range(500)
    ]
    one = batch[PLACE]
    poison = one.value.replace(f"photo-{PLACE}".encode(), b"photo\\u0000")
    assert poison != one.value
    batch[PLACE] = Message(one.topic, one.key, poison, partition=2, offset=PLACE)
    return batch


def carry_through(world: World, producer: KafkaPythonProducer, batch: list[Message]) -> None:
    admission = Admission(world.pool, world.clock, LIFETIME)
    letters = DeadLetters(producer, SystemClock())
    Supervised(admission, letters, give_up=give_up).carry_through(batch)


def letters_of(reader: TopicReader, account: AccountId) -> list[DeadLetter]:
    return [
        letter
        for letter in LetterBox(reader).open(topics.JOB_REQUESTS)
        if letter.message.key == account.encode()
    ]


def jobs_of(world: World) -> list[JobState]:
    with world.pool.connection() as conn:
        rows = conn.execute("SELECT state FROM jobs").fetchall()
    return [JobState(row[0]) for row in rows]


def test_u_0000_in_the_midst_of_a_batch_is_dead_alone_with_its_reason(
    world: World, producer: KafkaPythonProducer, reader: TopicReader
) -> None:
    account = world.account()
    batch = poisoned_batch(world, account)

    carry_through(world, producer, batch)

    assert jobs_of(world) == [JobState.QUEUED] * 499
    (letter,) = letters_of(reader, account)
    assert letter.message.value == batch[PLACE].value
    assert letter.reason == "unreadable"
    facts = letter.headers
    assert "U+0000" in facts["error"]
    assert (facts["topic"], facts["partition"], facts["offset"]) == ("job-requests", "2", "250")
    assert facts["schema"] == dataschema(JobRequested)
    assert facts["attempt"] == "1"
    assert facts["first-seen"]


def test_the_dead_request_is_listed_shown_replayed_and_dropped(
    world: World, producer: KafkaPythonProducer, reader: TopicReader, stack: Stack
) -> None:
    account = world.account()
    batch = poisoned_batch(world, account)
    carry_through(world, producer, batch)
    (letter,) = letters_of(reader, account)
    offset = str(letter.place.offset)

    def dlq(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), env=dict(stack.environment))
        assert result.exit_code == 0, result.output
        return result.stdout

    groups = json.loads(dlq("list", "--json"))["groups"]
    assert ("job-requests", "unreadable") in {(g["topic"], g["reason"]) for g in groups}
    (shown,) = json.loads(dlq("show", "job-requests", "--offset", offset, "--json"))["letters"]
    assert base64.b64decode(shown["payload_base64"]) == batch[PLACE].value
    assert "photo\\u0000" in dlq("show", "job-requests", "--offset", offset)

    replayed = dlq("replay", "job-requests", "--offset", offset, "--yes", "--json")
    assert json.loads(replayed)["replayed"] == 1
    (back,) = [m for m in reader.read(topics.JOB_REQUESTS) if m.key == account.encode()]
    assert back.value == batch[PLACE].value
    assert letters_of(reader, account) == []

    carry_through(world, producer, [back])
    (again,) = letters_of(reader, account)
    assert again.place != letter.place
    dropped = dlq("drop", "job-requests", "--offset", str(again.place.offset), "--yes", "--json")
    assert json.loads(dropped) == {"dropped": 1}
    assert letters_of(reader, account) == []


def test_a_batch_delivered_twice_is_decided_once(
    world: World, producer: KafkaPythonProducer, reader: TopicReader
) -> None:
    account = world.account()
    batch = [world.message(world.request(account, f"photo-{n}"), n) for n in range(50)]
    carry_through(world, producer, batch)
    carry_through(world, producer, batch[::-1])
    assert jobs_of(world) == [JobState.QUEUED] * 50
    assert world.count("outbox") == 50
    assert letters_of(reader, account) == []
