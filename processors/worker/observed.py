"""How a worker is watched from outside: its counts, the ids on its log lines, its spans."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from domain.jobs.model import Job
from infra import logs, metrics, tracing
from infra.clock import Time
from infra.kafka import Message
from infra.kafka_lag import WORKERS
from infra.metrics import AttemptOutcome, JobStage
from processors.worker.execute import Failed, Outcome, Refused, Stopped, Succeeded
from schemas.operations import OperationName

_REPORTED: Final = {
    Succeeded: AttemptOutcome.SUCCEEDED,
    Failed: AttemptOutcome.FAILED,
    Refused: AttemptOutcome.REFUSED,
    Stopped: AttemptOutcome.CANCELLED,
}

_log = logs.logger(__name__)


class Observed:
    """Counts one worker's attempts, names what its log lines are about, and traces its jobs."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._dispatched = metrics.STAGE_SECONDS.labels(JobStage.DISPATCHED)
        self._started = metrics.STAGE_SECONDS.labels(JobStage.STARTED)
        self._finished = metrics.STAGE_SECONDS.labels(JobStage.FINISHED)
        self._waits = metrics.WORLD_WAITS.labels("worker")
        self._attempts = {
            (operation, outcome): metrics.ATTEMPTS.labels(operation, outcome)
            for operation in OperationName
            for outcome in AttemptOutcome
        }
        metrics.HALTED.labels("worker").set(0)

    def waits(self) -> None:
        """Count a pause because a server is away."""
        self._waits.inc()

    def claimed(self, asked: int, claimed: Sequence[Job]) -> None:
        """Count attempts that were asked for, and those that are this worker's now."""
        metrics.CLAIMS.inc(len(claimed))
        metrics.CLAIM_REFUSALS.inc(max(0, asked - len(claimed)))
        for job in claimed:
            if job.dispatched_at is not None and job.started_at is not None:
                waited = (job.dispatched_at - job.admitted_at).total_seconds()
                self._dispatched.observe(max(0.0, waited))
                on_its_way = (job.started_at - job.dispatched_at).total_seconds()
                self._started.observe(max(0.0, on_its_way))

    @contextmanager
    def attempt(self, job: Job, message: Message) -> Iterator[None]:
        """Let log lines within be about an attempt, and make the span of it."""
        about = logs.about(
            account=job.account_id,
            job=job.id,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            attempt=job.attempt,
        )
        attributes: tracing.Attributes = {
            tracing.SYSTEM: "kafka",
            tracing.OPERATION: "process",
            tracing.DESTINATION: message.topic,
            tracing.PARTITION: str(message.partition),
            tracing.OFFSET: message.offset,
            tracing.GROUP: WORKERS.name,
            tracing.ATTEMPT: job.attempt,
        }
        with (
            about,
            tracing.span(
                f"process {message.topic}",
                job.id,
                kind=tracing.Kind.CONSUMER,
                attributes=attributes,
            ),
        ):
            yield

    def reported(self, job: Job, outcome: Outcome) -> None:
        """Count an attempt whose outcome was reported."""
        if job.started_at is not None:
            took = (self._time.now() - job.started_at).total_seconds()
            self._finished.observe(max(0.0, took))
        self.ended(job, _REPORTED[type(outcome)])

    def ended(self, job: Job, outcome: AttemptOutcome) -> None:
        """Count an attempt, however it ended."""
        if job.operation is not None:
            self._attempts[job.operation, outcome].inc()
        tracing.note({tracing.OUTCOME: outcome})
        if logs.verbose():
            _log.debug("attempt_ended", outcome=outcome)
