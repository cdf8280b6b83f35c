"""How a stage is watched from outside: its counts, the ids on its log lines, its spans."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Final

from infra import logs, metrics, tracing
from infra.clock import Time
from infra.kafka import Message
from infra.kafka_lag import STREAMS
from infra.metrics import JobStage
from schemas.ids import JobId, is_job_id

_ENDS: Final[Mapping[str, JobStage]] = {
    "admission": JobStage.ADMITTED,
    "results": JobStage.ENDED,
}
"""The part of a job's way that a stage ends, and that began when its message was sent."""

_log = logs.logger(__name__)


class Observed:
    """Counts one stage's batches, names what its log lines are about, and traces its jobs."""

    def __init__(self, stage: str, time: Time) -> None:
        self._stage = stage
        self._time = time
        self._messages = metrics.BATCH_MESSAGES.labels(stage)
        self._seconds = metrics.BATCH_SECONDS.labels(stage)
        self._waits = metrics.WORLD_WAITS.labels(stage)
        ends = _ENDS.get(stage)
        self._ends = metrics.STAGE_SECONDS.labels(ends) if ends else None
        metrics.HALTED.labels(stage).set(0)

    @contextmanager
    def batch(self, messages: Sequence[Message]) -> Iterator[None]:
        """Watch one batch from its beginning to its end."""
        self._messages.observe(len(messages))
        begun = perf_counter()
        yield
        self._seconds.observe(perf_counter() - begun)

    def about(self, batch: Sequence[tuple[Message, object]]) -> AbstractContextManager[object]:
        """Let log lines within be about a message, and its job, if there is one alone."""
        if len(batch) != 1:
            return logs.about(stage=self._stage, topic=batch[0][0].topic if batch else None)
        message, item = batch[0]
        return logs.about(
            stage=self._stage,
            account=getattr(item, "account_id", None),
            job=getattr(item, "job_id", None),
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
        )

    def waits(self) -> None:
        """Count a pause because a server is away."""
        self._waits.inc()

    def done(self, batch: Sequence[tuple[Message, object]], *, begun_ns: int) -> None:
        """Tell that messages are done; the step that did them began at `begun_ns`."""
        if self._ends is not None:
            now_s = self._time.now().timestamp()
            for message, _ in batch:
                if message.timestamp_ms > 0:
                    self._ends.observe(max(0.0, now_s - message.timestamp_ms / 1000))
        if logs.verbose():
            for one in batch:
                with self.about([one]):
                    _log.debug("message_done")
        if tracing.on():
            for message, item in batch:
                self._trace(message, getattr(item, "job_id", None), begun_ns)

    @staticmethod
    def _trace(message: Message, job: object, begun_ns: int) -> None:
        if isinstance(job, str) and is_job_id(job):
            tracing.tell(
                f"process {message.topic}",
                JobId(job),
                kind=tracing.Kind.CONSUMER,
                begun_ns=begun_ns,
                attributes={
                    tracing.SYSTEM: "kafka",
                    tracing.OPERATION: "process",
                    tracing.DESTINATION: message.topic,
                    tracing.PARTITION: str(message.partition),
                    tracing.OFFSET: message.offset,
                    tracing.GROUP: STREAMS.name,
                },
            )
