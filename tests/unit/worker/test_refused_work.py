"""When too much of an operation's work is wrong, none of it is buried, and others go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from infra.halts import Halts
from infra.kafka import BrokerUnavailableError, Message
from infra.refusals import Cap, Gate
from processors.worker.intake import Intake, Wrong
from schemas import events, topics
from schemas.events import WorkDispatched
from schemas.operations import OperationName
from tests.unit.domain.samples import AT, JOB

TOPIC = topics.work(OperationName.IDENTITY)
CAP = Cap(least=20, pause_s=15)


@dataclass
class TurnedTime:
    at: float = 100.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Allowed:
    count: int = 0

    def left(self, source: str) -> int:
        assert source == TOPIC
        return self.count


@dataclass
class Desk:
    """An intake with what it lined up and buried, by offset."""

    time: TurnedTime = field(default_factory=TurnedTime)
    allowed: Allowed = field(default_factory=Allowed)
    halts: Halts = field(default_factory=Halts)
    lined: list[tuple[int, bool]] = field(default_factory=list)
    buried: list[int] = field(default_factory=list)
    away: bool = False

    def __post_init__(self) -> None:
        gate = Gate("worker", TOPIC, self.time, cap=CAP, allowances=self.allowed, halts=self.halts)
        self.intake = Intake(OperationName.IDENTITY, gate, self.time)

    def come(self, *messages: Message) -> None:
        for message in messages:
            self.intake.take(message)
        self.turn()

    def turn(self) -> None:
        self.intake.pass_on(self._line, self._bury)

    def _line(self, one: tuple[Message, WorkDispatched | None]) -> None:
        self.lined.append((one[0].offset, one[1] is not None))

    def _bury(self, message: Message, wrong: Wrong) -> None:
        assert wrong.error
        if self.away:
            raise BrokerUnavailableError("away")
        self.buried.append(message.offset)


def work(offset: int, operation: OperationName = OperationName.IDENTITY) -> Message:
    asked = WorkDispatched(job_id=JOB.id, attempt=1, operation=operation)
    body = events.work_dispatched(asked, at=AT).encode()
    return Message(TOPIC, b"", body, partition=0, offset=offset)


def garbage(offset: int) -> Message:
    return Message(TOPIC, b"", b"garbage", partition=0, offset=offset)


def test_a_few_wrong_ones_are_buried_and_keep_their_place_in_line() -> None:
    desk = Desk()
    desk.come(work(0), garbage(1), work(2, OperationName.UPSCALE), work(3))
    assert desk.buried == [1, 2]
    assert desk.lined == [(0, True), (1, False), (2, False), (3, True)]
    assert not desk.intake.halted


def test_work_that_only_a_newer_version_knows_halts_nothing() -> None:
    desk = Desk()
    known = work(0).value
    newer = known.replace(b'"operation":"identity"', b'"operation":"restyle"')
    desk.come(*(Message(TOPIC, b"", newer, partition=0, offset=n) for n in range(50)))
    assert len(desk.buried) == 50
    assert not desk.intake.halted


def test_a_flood_waits_unburied_with_what_is_behind_it_until_an_operator_allows_it() -> None:
    desk = Desk()
    desk.come(*map(garbage, range(30)), work(30))
    desk.come(work(31))
    assert (desk.buried, desk.lined) == ([], [])
    assert desk.intake.halted
    assert desk.halts.topics() == (TOPIC,)

    desk.allowed.count = 30
    desk.time.at += 14
    desk.turn()
    assert desk.buried == []

    desk.time.at += 1
    desk.turn()
    assert desk.buried == list(range(30))
    assert desk.lined == [*((n, False) for n in range(30)), (30, True), (31, True)]
    assert not desk.intake.halted
    assert desk.halts.topics() == ()


def test_a_flood_that_thins_out_goes_on_by_itself() -> None:
    desk = Desk()
    desk.come(*map(garbage, range(30)))
    assert desk.intake.halted

    desk.time.at += 15
    desk.come(*map(work, range(30, 330)))

    assert desk.buried == list(range(30))
    assert not desk.intake.halted


def test_a_letter_that_kafka_did_not_take_is_tried_again_and_each_is_buried_once() -> None:
    desk = Desk(away=True)
    desk.intake.take(work(0))
    desk.intake.take(garbage(1))
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError):
            desk.turn()
    desk.away = False
    desk.come(garbage(2))
    assert desk.buried == [1, 2]
    assert [offset for offset, _ in desk.lined] == [0, 1, 2]
