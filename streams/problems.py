"""Problems: an upload that ended without a result gets a file that says why, beside it."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

from infra import metrics
from infra.kafka import Message
from infra.logs import logger
from infra.stored_objects import ObjectStore
from schemas import keys, problems, topics
from schemas.errors import ErrorCode
from schemas.events import Event, JobChanged, dataschema
from schemas.states import TERMINAL, JobState, Origin
from streams.decoding import decode_event
from streams.leftovers import possible_results
from streams.stage import NewerMessageError

_WRITERS: Final = 8
_TRANSITION: Final = "picmend.job."
_ENDS_WITH_FILE: Final = TERMINAL - {JobState.SUCCEEDED}

_log = logger(__name__)


class Problems:
    """Puts `out/….problem.json` for each object job that ended without a result.

    And takes away what an attempt that nobody heard of again may have left of any such job.
    """

    name = "problems"
    topic = topics.JOB_EVENTS
    schema = dataschema(JobChanged)
    linger_s = 0.2

    def __init__(self, store: ObjectStore, *, writers: Executor | None = None) -> None:
        self._store = store
        self._writers = writers or ThreadPoolExecutor(_WRITERS, thread_name_prefix="problems")

    def decode(self, message: Message) -> JobChanged | None:
        """See `Stage`. None: a newer version tells of something that calls for no file."""
        try:
            return decode_event(Event[JobChanged], message)
        except NewerMessageError:
            if may_need_file(message.value):
                raise
            return None

    def step(self, items: Sequence[JobChanged | None]) -> None:
        """Put the batch's files, take away leftovers; all of it may be done again."""
        told = [item for item in items if item is not None]
        leftovers = [key for item in told for key in possible_results(item)]
        for _ in self._writers.map(self._store.delete, leftovers):
            pass
        for _ in self._writers.map(self._put, [item for item in told if needs_file(item)]):
            pass
        for (state, by), count in Counter((item.state, item.by) for item in told).items():
            metrics.TRANSITIONS.labels(state, by).inc(count)
        for item in told:
            if item.limit is not None:
                metrics.QUOTA_REFUSALS.labels(item.limit.quota).inc()
        if len(told) < len(items):
            _log.info("newer_events_skipped", stage=self.name, count=len(items) - len(told))

    def _put(self, ended: JobChanged) -> None:
        key = keys.problem_key(ended.source_key or "", ended.job_id)
        self._store.put(key, problem_body(ended), problems.MEDIA_TYPE)


def needs_file(event: JobChanged) -> bool:
    """Tell whether a job's event is an end that its uploader must find in the store."""
    return (
        event.origin is Origin.OBJECT
        and event.state in _ENDS_WITH_FILE
        and event.source_key is not None
    )


class _Glance(BaseModel):
    """What can be told of an event even if not all of it is understood."""

    model_config = ConfigDict(extra="ignore")

    type: str
    data: dict[str, JsonValue]


def may_need_file(body: bytes) -> bool:
    """Tell whether an event that only a newer version understands may be an end with a file.

    It is none when it tells of no transition, of one to a state that is known to be no such
    end, or of a job that came by the API. A state that is not known may be one.
    """
    seen = _Glance.model_validate_json(body)
    if not seen.type.startswith(_TRANSITION) or seen.data.get("origin") == Origin.API:
        return False
    state = seen.data.get("state")
    return state not in {*JobState} or state in _ENDS_WITH_FILE


def limit_of(ended: JobChanged) -> dict[str, JsonValue]:
    """Return the member that tells which limit refused a job, if one did."""
    return {"limit": ended.limit.model_dump(mode="json")} if ended.limit else {}


def problem_body(ended: JobChanged) -> bytes:
    """Return the file's bytes, which depend on the event alone."""
    problem = problems.problem_file(
        ended.code or ErrorCode.PROCESSING_FAILED,
        detail=ended.detail,
        instance=ended.source_key,
        job_id=ended.job_id,
        state=ended.state,
        ended_at=ended.at.isoformat(),
        **limit_of(ended),
    )
    return problem.encode()
