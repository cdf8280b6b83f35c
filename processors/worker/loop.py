"""The worker's loop: poll, claim what fits, run it, report."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent import futures
from functools import partial
from typing import Final, Protocol

from domain.jobs.model import Job
from infra import metrics, tracing
from infra.clock import Time
from infra.dead_letters import DeadLetters, DeadReason
from infra.kafka import BrokerUnavailableError, Consumer, Message, Producer
from infra.logs import logger
from infra.metrics import AttemptOutcome
from infra.refusals import Gate
from infra.world import WORLD_ERRORS
from processors.worker.execute import Executor, Failed, Outcome, Refused, Stopped, Succeeded
from processors.worker.intake import InLine, Intake, MakeGate, Wrong
from processors.worker.leases import STALLED_S, Lease, LeaseLostError, Leases
from processors.worker.observed import Observed
from processors.worker.patience import NOT_THE_JOBS
from schemas import events, topics
from schemas.errors import ErrorCode
from schemas.events import WorkDispatched, WorkFinished, dataschema
from schemas.ids import JobId
from schemas.operations import OperationName

STAGE: Final = "worker"
POLL_S: Final = 0.1
_PAUSE_S: Final = 0.5
_REPORT_WAITS: Final = metrics.WORLD_WAITS.labels("worker_report")
_log = logger(__name__)


class Claim(Protocol):
    """Moves dispatched attempts to `running` for this worker; returns those that are its own."""

    def __call__(self, attempts: Sequence[tuple[JobId, int]]) -> Sequence[Job]:
        """See `domain.pipeline.claim.claim_batch`."""
        ...


class Worker:
    """Takes work while it has free slots, and never more than it can start at once.

    The offset of a work message is committed once it is claimed or refused, so a rebalance
    needs nothing from what runs: from the claim on, the lease in the database is the truth.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        producer: Producer,
        *,
        claim: Claim,
        leases: Leases,
        executor: Executor,
        time: Time,
        slots: Mapping[OperationName, int],
        threads: futures.Executor | None = None,
        freed: threading.Condition | None = None,
        make_gate: MakeGate | None = None,
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._producer = producer
        self._dead_letters = DeadLetters(producer, time)
        self._claim = claim
        self._leases = leases
        self._executor = executor
        self._time = time
        self._slots = slots
        self._operations = {topics.work(operation): operation for operation in slots}
        make_gate = make_gate or (lambda topic: Gate(STAGE, topic, time))
        self._intakes = {
            operation: Intake(operation, make_gate(topics.work(operation)), time)
            for operation in slots
        }
        # What cannot be read waits in the line too, as None, so that offsets are committed
        # in order: one behind it must not commit over one before it that still waits.
        self._waiting: dict[OperationName, deque[InLine]] = {
            operation: deque() for operation in slots
        }
        self._running = dict.fromkeys(slots, 0)
        self._done: list[Message] = []
        self._observed = Observed(time)
        self._freed = freed or threading.Condition()
        self._threads = threads or futures.ThreadPoolExecutor(
            sum(slots.values()), thread_name_prefix="job"
        )

    def step(self) -> None:
        """Take one turn. Errors of the world leave everything to be taken up by the next."""
        try:
            self._take_in(self._consumer.poll(self._poll_time()))
            self._start_what_fits()
        except WORLD_ERRORS as error:
            _log.warning("waiting_for_the_world", stage=STAGE, worker=self._name, error=str(error))
            self._observed.waits()
            self._time.sleep(_PAUSE_S)

    def drain(self, timeout_s: float) -> bool:
        """Wait for what runs, without taking more; tell whether all of it ended in time."""
        deadline = self._time.monotonic() + timeout_s
        with self._freed:
            while any(self._running.values()):
                if not self._freed.wait(max(0.0, deadline - self._time.monotonic())):
                    return False
        return True

    def full(self) -> frozenset[str]:
        """Return the topics of the operations whose slots are all taken."""
        return frozenset(topics.work(op) for op in self._slots if self._free(op) <= 0)

    def _poll_time(self) -> float:
        """Wait for a slot rather than for Kafka while there is more here than fits."""
        if not any(self._waiting.values()):
            return POLL_S
        with self._freed:
            if not any(self._free(op) for op, waiting in self._waiting.items() if waiting):
                self._freed.wait(POLL_S)
        return 0.0

    def _free(self, operation: OperationName) -> int:
        return self._slots[operation] - self._running[operation]

    def _take_in(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._intakes[self._operations[message.topic]].take(message)
        for operation, intake in self._intakes.items():
            intake.pass_on(self._waiting[operation].append, self._bury)

    def _start_what_fits(self) -> None:
        with self._freed:
            taken = [
                waiting[place]
                for operation, waiting in self._waiting.items()
                for place in range(min(len(waiting), self._free(operation)))
            ]
        if taken:
            try:
                self._start_these(taken)
            except ValueError:
                # One of them is of a newer version; the others must not wait for that one.
                for one in taken:
                    self._start_or_bury(one)
        self._commit()
        with self._freed:
            full = {
                topics.work(operation)
                for operation, waiting in self._waiting.items()
                if len(waiting) >= self._slots[operation] or self._intakes[operation].halted
            }
        self._consumer.hold_back(full)

    def _start_these(self, taken: Sequence[InLine]) -> None:
        """Claim what stands at the heads of the lines, and start what is this worker's now.

        Raises `ValueError`, with nothing claimed, for a job that cannot be read.
        """
        asked = {
            (work.job_id, work.attempt): message for message, work in taken if work is not None
        }
        claimed = self._claim(list(asked)) if asked else []
        self._observed.claimed(len(asked), claimed)
        self._take_out(taken)
        for job in claimed:
            self._start(job, asked[job.id, job.attempt])

    def _start_or_bury(self, one: InLine) -> None:
        try:
            self._start_these([one])
        except ValueError as error:
            message, work = one
            job = work.job_id if work else None
            told = f"{job} has what this version does not know: {error}"
            self._bury(message, Wrong(DeadReason.NEWER, told))
            self._take_out([one])

    def _take_out(self, taken: Sequence[InLine]) -> None:
        for message, _ in taken:
            self._waiting[self._operations[message.topic]].popleft()
            self._done.append(message)

    def _commit(self) -> None:
        """Commit what is claimed or refused; what Kafka does not take now, with the next turn."""
        if self._done:
            self._consumer.commit(self._done)
            self._done.clear()

    def _start(self, job: Job, message: Message) -> None:
        operation = job.operation
        if operation is None:
            raise ValueError(f"{job.id} was claimed without an operation")
        with self._freed:
            self._running[operation] += 1
        lease = self._leases.open(job)
        self._threads.submit(self._run, lease, operation, message)

    def _run(self, lease: Lease, operation: OperationName, message: Message) -> None:
        try:
            with self._observed.attempt(lease.job, message):
                self._attempt(lease)
        finally:
            self._leases.close(lease)
            with self._freed:
                self._running[operation] -= 1
                self._freed.notify_all()

    def _attempt(self, lease: Lease) -> None:
        job = lease.job
        try:
            outcome = self._outcome(lease)
            self._report(lease, outcome)
        except LeaseLostError:
            _log.warning("lease_lost", job=job.id, attempt=job.attempt)
            self._observed.ended(job, AttemptOutcome.LEASE_LOST)
        except NOT_THE_JOBS as error:
            _log.error("attempt_abandoned", job=job.id, error=str(error))
            self._leases.hand_back(lease)
            self._observed.ended(job, AttemptOutcome.ABANDONED)
        except Exception:  # noqa: BLE001 - the pool would swallow it; its lease repairs what it left
            _log.exception("attempt_abandoned", job=job.id)
            self._observed.ended(job, AttemptOutcome.ABANDONED)
        else:
            self._observed.reported(job, outcome)

    def _outcome(self, lease: Lease) -> Outcome:
        try:
            return self._executor.run(lease)
        except (LeaseLostError, *NOT_THE_JOBS):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours fails the job, free of charge
            _log.exception("processing_failed", job=lease.job.id, attempt=lease.job.attempt)
            return Failed(ErrorCode.PROCESSING_FAILED, f"an internal {type(error).__name__}")

    def _report(self, lease: Lease, outcome: Outcome) -> None:
        """Tell of the outcome, for as long as the lease would last without progress."""
        event = events.work_finished(self._finished(lease, outcome))
        message = Message(topics.JOB_RESULTS, lease.job.id.encode(), event.encode())
        deadline = self._time.monotonic() + STALLED_S
        while True:
            try:
                with tracing.span(f"send {message.topic}", kind=tracing.Kind.PRODUCER):
                    self._producer.send_all([message])
            except BrokerUnavailableError as error:
                _log.warning("waiting_for_the_world", job=lease.job.id, error=str(error))
                _REPORT_WAITS.inc()
                if lease.lost or self._time.monotonic() > deadline:
                    raise LeaseLostError(lease.job.id) from error
                self._time.sleep(_PAUSE_S)
            else:
                return

    def _finished(self, lease: Lease, outcome: Outcome) -> WorkFinished:
        job, now = lease.job, self._time.now()
        finished = partial(
            WorkFinished,
            job_id=job.id,
            attempt=job.attempt,
            worker=self._name,
            started_at=job.started_at or now,
            finished_at=now,
            source_sha256=lease.source_sha256,
        )
        match outcome:
            case Succeeded(result, report):
                return finished(outcome="succeeded", result=result, report=report)
            case Failed(code, detail):
                return finished(outcome="failed", code=code, detail=detail)
            case Refused(category):
                return finished(outcome="refused", code=ErrorCode.CONTENT_REFUSED, detail=category)
            case Stopped():
                return finished(outcome="cancelled", code=ErrorCode.JOB_CANCELLED)

    def _bury(self, message: Message, wrong: Wrong) -> None:
        _log.error(
            "message_dead",
            stage=STAGE,
            reason=wrong.reason,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error=wrong.error,
        )
        self._dead_letters.put(
            message,
            reason=wrong.reason,
            error=wrong.error,
            attempt=1,
            schema=dataschema(WorkDispatched),
        )
