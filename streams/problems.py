"""Problems: an upload that ended without a result gets a file that says why, beside it."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from infra import metrics
from infra.kafka import Message
from infra.stored_objects import ObjectStore
from schemas import keys, problems, topics
from schemas.errors import ErrorCode
from schemas.events import Event, JobChanged, dataschema
from schemas.states import TERMINAL, JobState, Origin
from streams.decoding import decode_event

_WRITERS: Final = 8


class Problems:
    """Puts `out/….problem.json` for each object job that ended without a result."""

    name = "problems"
    topic = topics.JOB_EVENTS
    schema = dataschema(JobChanged)
    linger_s = 0.2

    def __init__(self, store: ObjectStore, *, writers: Executor | None = None) -> None:
        self._store = store
        self._writers = writers or ThreadPoolExecutor(_WRITERS, thread_name_prefix="problems")

    def decode(self, message: Message) -> JobChanged:
        """See `Stage`."""
        return decode_event(Event[JobChanged], message)

    def step(self, items: Sequence[JobChanged]) -> None:
        """Put the batch's files. The same event makes the same bytes each time."""
        for _ in self._writers.map(self._put, [item for item in items if needs_file(item)]):
            pass
        for (state, by), count in Counter((item.state, item.by) for item in items).items():
            metrics.TRANSITIONS.labels(state, by).inc(count)

    def _put(self, ended: JobChanged) -> None:
        key = keys.problem_key(ended.source_key or "", ended.job_id)
        self._store.put(key, problem_body(ended), problems.MEDIA_TYPE)


def needs_file(event: JobChanged) -> bool:
    """Tell whether a job's event is an end that its uploader must find in the store."""
    return (
        event.origin is Origin.OBJECT
        and event.state in TERMINAL
        and event.state is not JobState.SUCCEEDED
        and event.source_key is not None
    )


def problem_body(ended: JobChanged) -> bytes:
    """Return the file's bytes, which depend on the event alone."""
    problem = problems.problem_file(
        ended.code or ErrorCode.PROCESSING_FAILED,
        detail=ended.detail,
        instance=ended.source_key,
        job_id=ended.job_id,
        state=ended.state,
        ended_at=ended.at.isoformat(),
    )
    return problem.encode()
