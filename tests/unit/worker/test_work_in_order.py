"""What the loop commits, sends and holds back, when Kafka brings the odd and the unlucky."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from domain.jobs.model import Job
from infra.clock import SystemClock
from infra.kafka import Message
from infra.stored_objects import StoreUnavailable
from processors.images.decoder import Decoder
from processors.operations import Restorer
from processors.worker.execute import Executor
from processors.worker.leases import Leases
from processors.worker.loop import Worker
from schemas import events, topics
from schemas.events import Event, WorkDispatched, WorkFinished
from schemas.ids import JobId, object_job_id
from schemas.operations import OperationName
from tests.unit.domain.samples import AT, JOB
from tests.unit.worker.work_fakes import MemoryBroker, MemoryStore

TOPIC = topics.work(OperationName.IDENTITY)


def job(number: int) -> Job:
    return replace(JOB, id=object_job_id("uploads", f"in/{number}", "0e"), attempt=1)


def work(number: int, *, of: OperationName = OperationName.IDENTITY) -> Message:
    """Return the message of that job on the identity topic, at that offset."""
    asked = WorkDispatched(job_id=job(number).id, attempt=1, operation=of)
    body = events.work_dispatched(asked, at=AT).encode()
    return Message(TOPIC, b"", body, partition=0, offset=number)


def newer(offset: int) -> Message:
    """Return the message of an operation that only a newer version knows."""
    body = work(offset).value.replace(b'"operation":"identity"', b'"operation":"restyle"')
    return Message(TOPIC, b"", body, partition=0, offset=offset)


def garbage(offset: int) -> Message:
    return Message(TOPIC, b"", b"garbage", partition=0, offset=offset)


@dataclass
class Rig:
    """A worker with one slot for identity, whose store can be held shut."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)
    claimed: list[JobId] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.store.objects[JOB.source.key] = (JOB.source.etag, b"data")
        self.store.before = lambda _verb, _key: self._wait()
        time_ = SystemClock()
        leases = Leases(
            lambda held: {id_: False for id_, _ in held}, time_, lease_s=15, renewal_s=5
        )
        self.worker = Worker(
            "worker-1",
            self.broker,
            self.broker,
            claim=self._claim,
            leases=leases,
            executor=Executor(self.store, leases, Decoder(), Restorer(), time_, max_bytes=100),
            time=time_,
            slots={OperationName.IDENTITY: 1},
        )

    def _wait(self) -> None:
        assert self.open.wait(timeout=30)

    def _claim(self, attempts: Sequence[tuple[JobId, int]]) -> list[Job]:
        self.claimed += [id_ for id_, _ in attempts]
        return [replace(JOB, id=id_, attempt=attempt) for id_, attempt in attempts]

    def steps_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            self.worker.step()

    def results(self) -> list[WorkFinished]:
        sent = [m for m in self.broker.sent if m.topic == topics.JOB_RESULTS]
        return [Event[WorkFinished].decode(m.value).data for m in sent]

    def buried(self) -> list[bytes]:
        return [m.value for m in self.broker.sent if m.topic == topics.dlq(TOPIC)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_garbage_behind_waiting_work_does_not_commit_over_it(rig: Rig) -> None:
    rig.broker.coming = [[work(0), work(1), garbage(2)]]

    rig.worker.step()
    assert rig.buried() == [b"garbage"]
    assert rig.broker.committed == [[0]]
    assert rig.broker.held_back[-1] == {TOPIC}

    rig.open.set()
    rig.steps_until(lambda: rig.broker.committed == [[0], [1], [2]])
    assert rig.worker.drain(30)
    assert [each.job_id for each in rig.results()] == [job(0).id, job(1).id]
    rig.worker.step()
    assert rig.broker.held_back[-1] == set()


def test_nothing_of_a_batch_is_lost_when_a_dead_letter_cannot_be_sent(rig: Rig) -> None:
    rig.open.set()
    rig.broker.coming = [[garbage(0), work(1)]]
    rig.broker.takes = False
    rig.worker.step()
    assert rig.broker.committed == []

    rig.broker.takes = True
    rig.steps_until(lambda: len(rig.results()) == 1)

    assert rig.buried() == [b"garbage"]
    assert rig.results()[0].job_id == job(1).id
    assert max(offset for commit in rig.broker.committed for offset in commit) == 1


def test_a_flood_of_garbage_is_neither_buried_nor_committed_and_its_topic_is_held_back(
    rig: Rig,
) -> None:
    rig.broker.coming = [[*map(garbage, range(30)), work(30)]]
    for _ in range(3):
        rig.worker.step()
    assert (rig.buried(), rig.claimed, rig.broker.committed) == ([], [], [])
    assert rig.broker.held_back[-1] == {TOPIC}


def test_work_on_the_topic_of_another_operation_is_dead(rig: Rig) -> None:
    stray = work(0, of=OperationName.UPSCALE)
    rig.broker.coming = [[stray]]

    rig.worker.step()

    assert rig.buried() == [stray.value]
    assert rig.claimed == []
    assert rig.broker.committed == [[0]]


def test_work_that_only_a_newer_version_knows_is_kept_as_newer(rig: Rig) -> None:
    rig.broker.coming = [[newer(0), work(1)]]
    rig.open.set()
    rig.steps_until(lambda: rig.broker.committed == [[0], [1]])
    assert rig.claimed == [job(1).id]
    reasons = [dict(sent.headers)["reason"] for sent in rig.broker.sent if sent.headers]
    assert reasons == [b"newer"]


def test_a_result_waits_for_a_broker_that_is_away(rig: Rig) -> None:
    rig.broker.coming = [[work(0)]]
    rig.worker.step()
    rig.broker.takes = False
    rig.open.set()
    assert not rig.worker.drain(0.2)

    rig.broker.takes = True
    assert rig.worker.drain(30)

    (finished,) = rig.results()
    assert (finished.outcome, finished.attempt, finished.worker) == ("succeeded", 1, "worker-1")


def test_a_defect_of_ours_fails_the_job_and_the_worker_goes_on(rig: Rig) -> None:
    rig.open.set()
    failures = iter([ZeroDivisionError("ours")])

    def defect(_verb: str, _key: str) -> None:
        if error := next(failures, None):
            raise error

    rig.store.before = defect
    rig.broker.coming = [[work(0)], [work(1)]]
    rig.steps_until(lambda: len(rig.results()) == 2)

    first, second = rig.results()
    assert (first.outcome, first.code, second.outcome) == (
        "failed",
        "processing_failed",
        "succeeded",
    )
    assert "ours" not in first.detail


def test_a_drain_gives_up_when_its_time_is_over(rig: Rig) -> None:
    assert rig.worker.drain(0)
    rig.broker.coming = [[work(0)]]
    rig.worker.step()

    assert not rig.worker.drain(0.05)
    rig.open.set()
    assert rig.worker.drain(30)


def test_a_store_that_is_away_keeps_its_job_and_no_other(rig: Rig) -> None:
    """One slot is taken by the job that waits; it comes free when the store is back."""
    away = iter([StoreUnavailable("away")] * 2)

    def trouble(_verb: str, _key: str) -> None:
        if error := next(away, None):
            raise error

    rig.store.before = trouble
    rig.broker.coming = [[work(0), work(1)]]
    rig.steps_until(lambda: len(rig.results()) == 2)

    assert [each.outcome for each in rig.results()] == ["succeeded", "succeeded"]
