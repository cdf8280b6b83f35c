"""Results: what workers report ends jobs."""

from collections.abc import Sequence

from domain.jobs import read
from domain.jobs.model import Ending, Result
from domain.pipeline.end import end_batch
from infra.clock import Clock
from infra.kafka import Message
from infra.postgres import Pool
from infra.stored_objects import ObjectStore
from schemas import topics
from schemas.errors import ErrorCode
from schemas.events import Event, WorkFinished, dataschema
from schemas.states import TERMINAL, Actor, JobState
from streams.decoding import decode_event
from streams.stage import UnreadableMessageError


class Results:
    """Ends jobs as their workers say, where that is legal; what is not is dropped.

    A success that comes too late, when its job has ended otherwise, was paid by nobody: its
    result goes.
    """

    name = "results"
    topic = topics.JOB_RESULTS
    schema = dataschema(WorkFinished)
    linger_s = 0.02

    def __init__(self, pool: Pool, store: ObjectStore, clock: Clock) -> None:
        self._pool = pool
        self._store = store
        self._clock = clock

    def decode(self, message: Message) -> Ending:
        """See `Stage`. A success without a result is unreadable."""
        finished = decode_event(Event[WorkFinished], message)
        if (finished.outcome == "succeeded") != (finished.result is not None):
            raise UnreadableMessageError(f"result: does not go with {finished.outcome!r}")
        return ending_of(finished)

    def step(self, items: Sequence[Ending]) -> None:
        """End the batch's jobs in one transaction. A report that comes again changes nothing."""
        with self._pool.connection() as conn:
            ended = end_batch(conn, items, clock=self._clock)
            late = [item for item in items if item.result and item.job_id not in ended]
            standing = read.standing(conn, {item.job_id for item in late}) if late else {}
        for item in late:
            state, _ = standing.get(item.job_id, (None, None))
            unpaid = state in TERMINAL - {JobState.SUCCEEDED}
            # A key that names the job is no other job's, whatever the report says.
            if unpaid and item.result and item.job_id in item.result.key:
                self._store.delete(item.result.key)


_CODES = {
    JobState.FAILED: ErrorCode.PROCESSING_FAILED,
    JobState.REFUSED: ErrorCode.CONTENT_REFUSED,
    JobState.CANCELLED: ErrorCode.JOB_CANCELLED,
}


def ending_of(finished: WorkFinished) -> Ending:
    """Return the ending that a worker's report asks for."""
    to = JobState(finished.outcome)
    result = finished.result
    return Ending(
        job_id=finished.job_id,
        to=to,
        by=Actor.RESULTS,
        attempt=finished.attempt,
        code=finished.code or _CODES.get(to),
        detail=finished.detail,
        result=(
            Result(
                result.key,
                result.etag,
                result.size,
                result.media_type,
                result.width,
                result.height,
            )
            if result
            else None
        ),
        report=finished.report.model_dump(exclude_none=True) if finished.report else None,
        source_sha256=bytes.fromhex(finished.source_sha256) if finished.source_sha256 else None,
    )
