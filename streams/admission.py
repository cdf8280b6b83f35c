"""Admission: each requested job is decided."""

from collections.abc import Sequence
from datetime import timedelta

from domain.admission.windows import countable
from domain.jobs.model import Header, Job, StoredObject
from domain.pipeline.decide import Rejected, decide_batch
from domain.pipeline.resolve import Candidate, ClockWindow, SourceProblem
from infra import tracing
from infra.clock import Clock
from infra.kafka import Message
from infra.postgres import Pool
from schemas import topics
from schemas.errors import ErrorCode
from schemas.events import Event, JobRequested, dataschema
from schemas.states import Origin
from streams.decoding import decode_event


class Admission:
    """Decides requested jobs: queued with a hold, or rejected with a code."""

    name = "admission"
    topic = topics.JOB_REQUESTS
    schema = dataschema(JobRequested)
    linger_s = 0.05

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        lifetime: timedelta,
        *,
        window: ClockWindow = ClockWindow(),  # noqa: B008 - frozen, and the same for everybody
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._lifetime = lifetime
        self._window = window

    def decode(self, message: Message) -> JobRequested:
        """See `Stage`."""
        return decode_event(Event[JobRequested], message)

    def step(self, items: Sequence[JobRequested]) -> None:
        """Decide the batch in one transaction. A request that comes again changes nothing."""
        with self._pool.connection() as conn:
            decisions = decide_batch(
                conn,
                [candidate_of(item) for item in items],
                clock=self._clock,
                lifetime=self._lifetime,
                window=self._window,
            )
        if tracing.on():
            for decision in decisions.values():
                if isinstance(decision, Rejected):
                    _tell_end(decision.job)


def _tell_end(job: Job) -> None:
    """Tell of a job that ended here: without a hold, nothing else tells of its whole way."""
    tracing.tell_root(
        job.id,
        begun=job.requested_at,
        ended=job.admitted_at,
        attributes={tracing.ACCOUNT: job.account_id, tracing.OUTCOME: job.state},
    )


def candidate_of(request: JobRequested) -> Candidate:
    """Return the candidate that an object's request makes."""
    return Candidate(
        job_id=request.job_id,
        account_id=request.account_id,
        origin=Origin.OBJECT,
        preset=request.preset,
        parameters=None,
        bucket=request.bucket,
        source=StoredObject(request.key, request.etag, request.version_id),
        source_bytes=request.size,
        mask=(
            StoredObject(request.mask.key, request.mask.etag, request.mask.version_id)
            if request.mask
            else None
        ),
        facts=_facts(request),
        requested_at=countable(request.uploaded_at),
        listed=request.found_by == "reconciler",
    )


def _facts(request: JobRequested) -> Header | SourceProblem:
    header, problem = request.header, request.problem
    if header is not None and problem is None:
        return Header(header.format, header.width, header.height, header.has_alpha, header.frames)
    if problem is not None:
        return SourceProblem(problem.code, problem.detail)
    return SourceProblem(ErrorCode.SOURCE_UNREADABLE, "the request carries no header facts")
