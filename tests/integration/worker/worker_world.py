"""A worker on real servers, in this process, one turn at a time; its store can be held shut."""

from __future__ import annotations

import io
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from domain.jobs import outbox
from domain.jobs.model import Header, StoredObject
from domain.pipeline.resolve import Candidate
from infra.clock import SystemClock
from infra.kafka import KafkaPythonConsumer, KafkaPythonProducer, Message
from infra.kafka_lag import Group, LagReader
from infra.object_store import S3ObjectStore
from infra.postgres import Pool, open_pool
from infra.settings import Settings
from processors.images.decoder import Decoder
from processors.operations import Restorer
from processors.worker.__main__ import Claims
from processors.worker.execute import Executor
from processors.worker.leases import Leases
from processors.worker.loop import Worker
from schemas import topics
from schemas.events import Event, WorkFinished
from schemas.ids import AccountId, JobId, object_job_id
from schemas.operations import ImageFormat, OperationName
from tests.integration.pipeline.pipeline_world import SetClock, World

SLOTS: Mapping[OperationName, int] = {
    OperationName.IDENTITY: 2,
    OperationName.INPAINT: 1,
    OperationName.UPSCALE: 1,
}
_WORK = [topics.work(operation) for operation in SLOTS]


class GatedStore(S3ObjectStore):
    """The real store; what was fetched is handed over only while the gate is open."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            bucket=settings.bucket,
            region=settings.s3_region,
        )
        self.gate = threading.Event()
        self.gate.set()
        self.inside = 0
        self.most_inside = 0
        self._counting = threading.Lock()

    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        with self._counted():
            data = super().get(key, max_bytes=max_bytes, if_match=if_match, version_id=version_id)
            assert self.gate.wait(timeout=60)
            return data

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._counting:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            yield
        finally:
            with self._counting:
                self.inside -= 1

    def results(self) -> dict[str, bytes]:
        """Return what lies under `out/`."""
        found = [info.key for page in self.list("out/") for info in page]
        return {key: S3ObjectStore.get(self, key, max_bytes=10**8) for key in found}


def open_consumer(settings: Settings, read: Collection[str], *, group: str) -> KafkaPythonConsumer:
    return KafkaPythonConsumer(settings.kafka_bootstrap, read, group=group, client_id=group)


@dataclass
class Running:
    """One worker of a group, to be turned by hand."""

    worker: Worker
    leases: Leases
    consumer: KafkaPythonConsumer

    def until(self, condition: Callable[[], bool], *, within_s: float = 40) -> None:
        """Turn until a condition holds; fail when it does not in time."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            self.worker.step()


@dataclass
class WorkerWorld:
    """Jobs, servers, and workers of one consumer group of this test's own."""

    settings: Settings
    jobs: World
    store: GatedStore
    pool: Pool
    producer: KafkaPythonProducer
    results: KafkaPythonConsumer
    lags: LagReader
    decoder: Decoder
    restorer: Restorer
    closing: ExitStack
    reader: str
    group: str = field(default_factory=lambda: f"workers-{secrets.token_hex(4)}")
    _reported: list[WorkFinished] = field(default_factory=list)

    @classmethod
    def build(cls, settings: Settings, jobs: World, closing: ExitStack) -> Self:
        """Connect to the servers; `closing` ends all of it."""
        bootstrap = settings.kafka_bootstrap
        reader = f"reader-{secrets.token_hex(4)}"
        producer = KafkaPythonProducer(bootstrap, client_id=reader)
        results = open_consumer(settings, [topics.JOB_RESULTS], group=reader)
        lags = LagReader(bootstrap)
        store = GatedStore(settings)
        for open_one in (producer, results, lags, store):
            closing.callback(open_one.close)
        url = settings.database_url.get_secret_value()
        world = cls(
            settings,
            jobs,
            store,
            closing.enter_context(open_pool(url, size=4, name="worker-test")),
            producer,
            results,
            lags,
            closing.enter_context(Decoder()),
            closing.enter_context(Restorer()),
            closing,
            reader,
        )
        world.skip_what_is_there()
        return world

    def skip_what_is_there(self) -> None:
        """Let the group begin behind the work that other tests left on the topics."""
        skipping = open_consumer(self.settings, _WORK, group=self.group)
        while sum(self._behind(self.group, topic) for topic in _WORK):
            if came := skipping.poll(0.2):
                skipping.commit(came)
        skipping.close()

    def start(
        self,
        name: str = "worker-1",
        *,
        aigc_producer: str | None = None,
        restorer: Restorer | None = None,
    ) -> Running:
        """Put a worker together, as its process does; nobody turns it yet."""
        clock = SystemClock()
        claims = Claims(self.pool, clock, worker=name, lease=timedelta(seconds=15))
        leases = Leases(claims.renew, clock, lease_s=15, renewal_s=5, hand_back=claims.hand_back)
        consumer = open_consumer(self.settings, _WORK, group=self.group)
        self.closing.callback(consumer.close)
        executor = Executor(
            self.store,
            leases,
            self.decoder,
            restorer or self.restorer,
            clock,
            max_bytes=self.settings.max_image_bytes,
            aigc_producer=aigc_producer,
        )
        worker = Worker(
            name,
            consumer,
            self.producer,
            claim=claims.claim,
            leases=leases,
            executor=executor,
            time=clock,
            slots=SLOTS,
        )
        # What a failed test left running must end while there still are servers to tell.
        self.closing.callback(worker.drain, 30)
        self.closing.callback(self.store.gate.set)
        return Running(worker, leases, consumer)

    def upload(
        self,
        account: AccountId,
        data: bytes,
        *,
        preset: str = "identity",
        size: tuple[int, int] = (32, 24),
        mask: bytes | None = None,
    ) -> Candidate:
        """Put an upload into the store; return its candidate, whose header says `size`."""
        key = f"in/{account}/{preset}/{secrets.token_hex(4)}.png"
        etag = self.store.put(key, data, "image/png")
        marked = None
        if mask is not None:
            marked = StoredObject(
                f"{key}.mask.png", self.store.put(f"{key}.mask.png", mask, "image/png")
            )
        return replace(
            self.jobs.candidate(account, preset),
            job_id=object_job_id(self.store.bucket, key, etag),
            source=StoredObject(key, etag),
            source_bytes=len(data),
            mask=marked,
            facts=Header(ImageFormat.PNG, *size, has_alpha=False),
        )

    def hand_out(self, *candidates: Candidate) -> list[JobId]:
        """Admit candidates, dispatch them and send their work, as the streams do."""
        self.jobs.decide(*candidates)
        for operation in SLOTS:
            self.jobs.dispatch(operation=operation)
        self.relay()
        return [candidate.job_id for candidate in candidates]

    def relay(self) -> None:
        """Send the work that waits in the outbox."""
        work = {topics.work(operation) for operation in OperationName}
        rows = [row for row in outbox.head(self.jobs.conn, 10_000) if row.message.topic in work]
        self.producer.send_all(
            [Message(m.topic, m.key.encode(), m.body) for m in (row.message for row in rows)]
        )
        outbox.delete(self.jobs.conn, [row.id for row in rows])
        self.jobs.conn.commit()

    def lag(self, operation: OperationName = OperationName.IDENTITY) -> int:
        """Return how many messages of an operation the group has not committed."""
        return self._behind(self.group, topics.work(operation))

    def _behind(self, group: str, topic: str) -> int:
        (progress,) = self.lags.read(Group(group, (topic,)))
        return progress.lag

    def reports(self, *job_ids: JobId) -> list[WorkFinished]:
        """Return all that was ever reported of these jobs, read to the topic's end."""
        behind = -1
        deadline = time.monotonic() + 40
        while behind != 0:
            assert time.monotonic() < deadline
            came = self.results.poll(0.2)
            self._reported += [Event[WorkFinished].decode(each.value).data for each in came]
            if came:
                self.results.commit(came)
            else:
                behind = self._behind(self.reader, topics.JOB_RESULTS)
        return [each for each in self._reported if each.job_id in job_ids]


def now() -> SetClock:
    return SetClock(datetime.now(UTC))


def png(width: int = 32, height: int = 24, seed: int = 1) -> bytes:
    """Return a small picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return saved(pixels)


def saved(pixels: npt.NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
