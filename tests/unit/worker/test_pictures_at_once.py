"""Pictures of one operation in one worker: one is in the network while others are not."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from typing_extensions import override

from domain.jobs.model import Job, StoredObject
from infra.clock import SystemClock
from infra.kafka import Message
from infra.settings import Settings
from processors.engine.tiled import Progress, ShouldStop
from processors.images.decoder import Decoder
from processors.images.image import Image
from processors.operations import Report, Restored, Restorer
from processors.worker.execute import Executor, Outcome, Stopped, Succeeded
from processors.worker.leases import STALLED_S, Lease, Leases
from processors.worker.loop import Worker
from schemas import events, topics
from schemas.events import Event, WorkDispatched, WorkFinished
from schemas.ids import JobId, object_job_id
from schemas.operations import ImageFormat, OperationName, Parameters, UpscaleParameters
from tests.unit.domain.samples import AT, JOB
from tests.unit.worker.work_fakes import MemoryBroker, MemoryStore

TOPIC = topics.work(OperationName.UPSCALE)
PICTURE = Image(
    pixels=np.zeros((30, 40, 3), np.uint8),
    alpha=None,
    icc=None,
    source_format=ImageFormat.JPEG,
    source_size=(40, 30),
)
WITHIN_S = 20


def upscale(number: int) -> Job:
    source = StoredObject(f"in/acc_7k2q/upscale-fast-x2/{number}.jpg", "0e")
    return replace(
        JOB,
        id=object_job_id("uploads", source.key, source.etag),
        attempt=1,
        preset="upscale-fast-x2",
        parameters=UpscaleParameters(model="fast", factor=2),
        source=source,
    )


@dataclass
class Watched:
    """What steps pictures have come to; at one of them a picture can be made to wait."""

    waits: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """By step, and by which picture comes to it: until so many have come to another step."""
    _come: Counter[str] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def at(self, step: str) -> None:
        """Tell that one more picture has come to a step, and let it wait if it is to."""
        with self._changed:
            self._come[step] += 1
            self._changed.notify_all()
            if awaited := self.waits.get((step, self._come[step])):
                self.until(*awaited)

    def until(self, step: str, pictures: int) -> None:
        """Wait until so many have come to a step."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._come[step] >= pictures, WITHIN_S)
        assert came, f"{pictures} never were {step}"


class WatchedDecoder(Decoder):
    """Gives the same picture for any bytes."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched

    @override
    def decode(self, data: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Image:
        self._watched.at("decoded")
        return PICTURE


class WatchedRestorer(Restorer):
    """Stands for the network, and leaves a picture as it is."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched

    @override
    def restore(
        self,
        parameters: Parameters,
        image: Image,
        mask: Image | None = None,
        *,
        progress: Progress,
        should_stop: ShouldStop,
    ) -> Restored:
        self._watched.at("in network")
        size = (image.width, image.height)
        return Restored(image, Report((), size, size))


@dataclass
class Rig:
    """A worker with the slots that it has by default, and what its pictures are at."""

    pixels_in_hand: int = 10**9
    watched: Watched = field(default_factory=Watched)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.jobs = {job.id: job for job in map(upscale, range(2))}
        for job in self.jobs.values():
            self.store.objects[job.source.key] = (job.source.etag, b"data")
        self.store.before = self._before
        self.leases = Leases(
            lambda held: {id_: False for id_, _ in held}, SystemClock(), lease_s=15, renewal_s=5
        )
        self.executor = Executor(
            self.store,
            self.leases,
            WatchedDecoder(self.watched),
            WatchedRestorer(self.watched),
            SystemClock(),
            max_bytes=100,
            pixels_in_hand=self.pixels_in_hand,
        )
        self.worker = Worker(
            "worker-1",
            self.broker,
            self.broker,
            claim=self._claim,
            leases=self.leases,
            executor=self.executor,
            time=SystemClock(),
            slots=Settings().slots(),
        )

    def _before(self, verb: str, _key: str) -> None:
        if verb == "put":
            self.watched.at("storing")

    def _claim(self, attempts: Sequence[tuple[JobId, int]]) -> list[Job]:
        return [self.jobs[id_] for id_, _ in attempts]

    def both_done(self) -> list[str]:
        """Let the worker take both jobs; return what came of them."""
        self.broker.coming = [[self._work(offset, job) for offset, job in enumerate(self.jobs)]]
        self.worker.step()
        assert self.worker.drain(3 * WITHIN_S)
        sent = [m for m in self.broker.sent if m.topic == topics.JOB_RESULTS]
        return [Event[WorkFinished].decode(m.value).data.outcome for m in sent]

    @staticmethod
    def _work(offset: int, job_id: JobId) -> Message:
        asked = WorkDispatched(job_id=job_id, attempt=1, operation=OperationName.UPSCALE)
        body = events.work_dispatched(asked, at=AT).encode()
        return Message(TOPIC, b"", body, partition=0, offset=offset)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_picture_is_decoded_while_another_of_its_operation_is_in_the_network(rig: Rig) -> None:
    rig.watched.waits["in network", 1] = ("decoded", 2)

    assert rig.both_done() == ["succeeded"] * 2


def test_a_picture_is_encoded_and_stored_while_another_of_its_operation_is_in_the_network(
    rig: Rig,
) -> None:
    rig.watched.waits["storing", 1] = ("in network", 2)
    rig.watched.waits["in network", 2] = ("storing", 1)

    assert rig.both_done() == ["succeeded"] * 2


@pytest.fixture
def crowded() -> Iterator[tuple[Rig, Lease, list[Outcome]]]:
    """A worker with room for one picture, which is in the network until it may go on."""
    rig = Rig(pixels_in_hand=1)
    first, second = rig.jobs.values()
    rig.watched.waits["in network", 1] = ("allowed on", 1)
    ended: list[Outcome] = []
    lease = rig.leases.open(first)
    thread = threading.Thread(target=lambda: ended.append(rig.executor.run(lease)))
    thread.start()
    rig.watched.until("in network", 1)
    yield rig, rig.leases.open(second), ended
    rig.watched.at("allowed on")
    thread.join(WITHIN_S)
    assert isinstance(ended[0], Succeeded)


def test_a_picture_there_is_no_room_for_stops_when_it_is_asked_to_and_was_not_fetched(
    crowded: tuple[Rig, Lease, list[Outcome]],
) -> None:
    rig, lease, ended = crowded
    lease.cancel = True

    assert rig.executor.run(lease) == Stopped()

    assert ended == []
    assert not any(lease.job.source.key in done for done in rig.store.done)


def test_a_picture_there_is_no_room_for_makes_progress_while_it_waits(
    crowded: tuple[Rig, Lease, list[Outcome]],
) -> None:
    rig, lease, _ = crowded
    lease.progress_at -= STALLED_S
    assert rig.leases.stalled()
    waiting = threading.Thread(target=rig.executor.run, args=(lease,))
    waiting.start()

    deadline = time.monotonic() + WITHIN_S
    while rig.leases.stalled():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert waiting.is_alive()
    rig.watched.at("allowed on")
    waiting.join(WITHIN_S)
    assert not waiting.is_alive()
