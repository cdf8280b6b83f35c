"""When too much of a stage's input is wrong, nothing is buried and nothing acknowledged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from infra import metrics
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.halts import Halts
from infra.kafka import BrokerUnavailableError, Message
from infra.refusals import Cap, Gate
from streams.stage import NewerMessageError, UnreadableMessageError
from streams.supervised import Patience, Supervised
from tests.fakes.recorded_producer import RecordedProducer

CAP = Cap(ratio=0.1, least=20, window_s=60, in_a_row=50, pause_s=15)


class EndedError(BaseException):
    """In these tests the process ends by this: given up, or left as it was told."""


def give_up() -> NoReturn:
    raise EndedError("given up")


def leave() -> NoReturn:
    raise EndedError("left")


@dataclass
class PassingTime:
    """Time that passes when somebody sleeps, and what happens then."""

    at: float = 0.0
    meanwhile: Callable[[float], None] = lambda _: None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.meanwhile(self.at)


@dataclass
class Ledger:
    """An operator's allowances, without a broker."""

    allowed: int = 0
    away: bool = False

    def left(self, source: str) -> int:
        assert source == "notes"
        if self.away:
            raise BrokerUnavailableError("the broker is away")
        return self.allowed


@dataclass
class Mended:
    """A stage that refuses what begins with `bad`, until it is mended."""

    name: str = "mended"
    topic: str = "notes"
    schema: str = "urn:notes"
    linger_s: float = 0.0
    mended: bool = False
    done: list[bytes] = field(default_factory=list)

    def decode(self, message: Message) -> bytes:
        if message.value.startswith(b"newer"):
            raise NewerMessageError("a later version wrote it")
        if message.value.startswith(b"unreadable") and not self.mended:
            raise UnreadableMessageError("it is no note")
        return message.value

    def step(self, items: Sequence[bytes]) -> None:
        if not self.mended and any(item.startswith(b"bad") for item in items):
            raise LookupError("a note that cannot be kept")
        self.done += items


@dataclass
class Story:
    """One stage under supervision, in time that passes only when it waits."""

    stage: Mended = field(default_factory=Mended)
    time: PassingTime = field(default_factory=PassingTime)
    producer: RecordedProducer = field(default_factory=RecordedProducer)
    ledger: Ledger = field(default_factory=Ledger)
    halts: Halts = field(default_factory=Halts)
    _next: int = 0

    def __post_init__(self) -> None:
        self._gate = Gate(
            self.stage.name,
            self.stage.topic,
            self.time,
            cap=CAP,
            allowances=self.ledger,
            halts=self.halts,
        )
        self.supervised: Supervised[bytes] = Supervised(
            self.stage,
            DeadLetters(self.producer, SystemClock()),
            patience=Patience(world_s=120),
            time=self.time,
            gate=self._gate,
            give_up=give_up,
            leave=leave,
        )

    def batch(self, *values: bytes, partition: int = 0) -> list[Message]:
        made = [
            Message("notes", b"k", value, partition=partition, offset=self._next + place)
            for place, value in enumerate(values)
        ]
        self._next += len(values)
        return made

    def carry(self, *values: bytes, partition: int = 0) -> None:
        self.supervised.carry_through(self.batch(*values, partition=partition))

    @property
    def buried(self) -> list[bytes]:
        return [dead.value for dead in self.producer.stored]


def halted(stage: str = "mended") -> float:
    return float(metrics.HALTED.labels(stage)._value.get())  # noqa: SLF001 - the client has no other way


def test_a_few_wrong_messages_are_buried_however_few_come_beside_them() -> None:
    story = Story()
    story.carry(*[b"bad"] * 20)
    assert story.buried == [b"bad"] * 20
    assert story.halts.topics() == ()


def test_many_wrong_messages_among_very_many_are_buried() -> None:
    story = Story()
    story.carry(*([b"good"] * 9 + [b"bad"]) * 50)
    assert len(story.buried) == 50
    assert len(story.stage.done) == 450


@pytest.mark.parametrize("kind", [b"bad", b"unreadable"])
def test_too_large_a_share_halts_the_stage_before_any_is_buried(kind: bytes) -> None:
    story = Story()
    batch = story.batch(*[kind] * 21, *[b"good"] * 100)
    with capture_logs() as log, pytest.raises(EndedError, match="given up"):
        story.supervised.carry_through(batch)

    assert story.buried == []
    assert set(story.stage.done) == {b"good"}
    assert story.time.at == 120
    assert halted() == 1
    assert story.halts.topics() == ("notes",)
    (first,) = [line for line in log if line["event"] == "stage_halted"]
    assert first["log_level"] == "critical"
    assert "21 of 121 messages refused in 60 s" in first["why"]
    assert "picmend dlq allow notes --count 21" in first["remedy"]
    assert len([line for line in log if line["event"] == "stage_still_halted"]) == 7


def test_what_a_newer_version_wrote_never_halts_a_stage() -> None:
    story = Story()
    story.carry(*[b"newer"] * 200)
    assert len(story.buried) == 200
    assert story.halts.topics() == ()


def test_the_same_batch_again_buries_nothing_either() -> None:
    story = Story()
    batch = story.batch(*[b"bad"] * 30)
    for _ in range(3):
        with pytest.raises(EndedError, match="given up"):
            story.supervised.carry_through(batch)
    assert story.buried == []


def test_a_window_remembers_what_was_refused_and_forgets_it_in_time() -> None:
    story = Story()
    story.carry(*[b"bad"] * 15)
    story.time.at += 59
    with pytest.raises(EndedError):
        story.carry(*[b"bad"] * 6)
    assert len(story.buried) == 15

    later = Story()
    later.carry(*[b"bad"] * 15)
    later.carry(b"good")
    later.time.at += 61
    later.carry(*[b"bad"] * 6)
    assert len(later.buried) == 21


def test_a_row_of_wrong_messages_on_one_partition_halts_whatever_the_others_bring() -> None:
    story = Story()
    good = story.batch(*[b"good"] * 900, partition=1)
    story.supervised.carry_through(good + story.batch(*[b"bad"] * 30, partition=2))
    assert len(story.buried) == 30

    with pytest.raises(EndedError):
        story.supervised.carry_through(
            story.batch(*[b"good"] * 900, partition=1) + story.batch(*[b"bad"] * 21, partition=2)
        )
    assert len(story.buried) == 30


def test_a_row_is_broken_by_a_good_message() -> None:
    story = Story()
    for _ in range(3):
        story.supervised.carry_through(
            story.batch(*[b"good"] * 900, partition=1)
            + story.batch(*[b"bad"] * 40, b"good", partition=2)
        )
    assert len(story.buried) == 120


def test_a_cause_that_is_mended_lets_the_stage_go_on_by_itself_with_nothing_lost() -> None:
    story = Story()

    def mend(now: float) -> None:
        story.stage.mended = now >= 40

    story.time.meanwhile = mend
    values = [b"bad %d" % n for n in range(60)]
    with capture_logs() as log:
        story.carry(*values, b"good")

    assert story.buried == []
    assert sorted(story.stage.done) == sorted([*values, b"good"])
    assert story.time.at == 45
    assert halted() == 0
    assert story.halts.topics() == ()
    assert log[-1]["event"] == "stage_goes_on"


def test_an_operators_allowance_lets_all_of_a_batch_be_buried_once() -> None:
    story = Story()

    def allow(now: float) -> None:
        story.ledger.allowed = 60 if now >= 20 else 59

    story.time.meanwhile = allow
    story.carry(*[b"bad"] * 60)
    assert len(story.buried) == 60
    assert story.time.at == 30

    # What was allowed is not held against what comes after the flood.
    story.ledger.allowed = 0
    story.carry(b"bad", b"good")
    assert len(story.buried) == 61
    assert halted() == 0


def test_allowances_that_cannot_be_read_are_none() -> None:
    story = Story()
    story.ledger.away = True
    with pytest.raises(EndedError, match="given up"):
        story.carry(*[b"bad"] * 60)
    assert story.buried == []


def test_a_stop_ends_a_stage_that_stands_still_soon_and_acknowledges_nothing() -> None:
    waits = threading.Event()
    story = Story()

    class Real(SystemClock):
        def sleep(self, seconds: float) -> None:
            waits.set()
            super().sleep(min(seconds, 0.01))

    supervised: Supervised[bytes] = Supervised(
        story.stage,
        DeadLetters(story.producer, SystemClock()),
        patience=Patience(world_s=60, leaving_s=0.0),
        time=Real(),
        gate=Gate("mended", "notes", Real(), cap=CAP),
        give_up=give_up,
        leave=leave,
    )

    async def stopped() -> None:
        task = asyncio.ensure_future(supervised(story.batch(*[b"bad"] * 60)))
        await asyncio.to_thread(waits.wait, 10)
        task.cancel()
        with pytest.raises(EndedError, match="left"):
            await task

    asyncio.run(stopped())
    assert story.buried == []
