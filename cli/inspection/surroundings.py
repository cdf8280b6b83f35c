"""What goes on around the jobs: which tasks run, who consumes, what is behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection

from domain.jobs import waits
from domain.pipeline.stuck import Cause, Stuck, StuckCode
from infra.dead_letters import LetterBox
from infra.kafka_groups import members
from infra.kafka_lag import STREAMS, WORKERS, LagReader
from infra.postgres import Alone, held
from infra.settings import Settings
from infra.topic_reader import TopicReader
from schemas import topics
from schemas.operations import OperationName


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The system at one moment.

    `tasks` are those that some process does; `running` counts jobs by operation; `lag` is by
    topic, in messages; `dead` are the ids of jobs whose usage or request is an open dead letter.
    """

    tasks: frozenset[Alone]
    workers: int
    running: Mapping[str, int]
    lag: Mapping[str, int]
    dead: frozenset[str]


def look(settings: Settings, conn: Connection, suspects: Sequence[str]) -> Surroundings:
    """Look around; `suspects` are the ids to look for among the dead letters.

    Raises `BrokerUnavailableError`.
    """
    lag_reader = LagReader(settings.kafka_bootstrap)
    try:
        progress = [*lag_reader.read(STREAMS), *lag_reader.read(WORKERS)]
    finally:
        lag_reader.close()
    return Surroundings(
        tasks=frozenset(held(conn)),
        workers=members(settings.kafka_bootstrap, WORKERS.name),
        running=waits.running(conn),
        lag={each.topic: each.lag for each in progress},
        dead=_dead(settings.kafka_bootstrap, suspects),
    )


def _dead(bootstrap: str, suspects: Sequence[str]) -> frozenset[str]:
    if not suspects:
        return frozenset()
    marks = {job_id.encode(): job_id for job_id in suspects}
    reader = TopicReader(bootstrap, client_id="picmend-stuck")
    try:
        box = LetterBox(reader)
        return frozenset(
            job_id
            for topic in (topics.USAGE, topics.JOB_REQUESTS)
            for letter in box.open(topic)
            for mark, job_id in marks.items()
            if mark in letter.message.value
        )
    finally:
        reader.close()


def cause_of(stuck: Stuck, around: Surroundings) -> Cause:
    """Return why a job does not move, as far as can be told from what goes on around it."""
    if stuck.cause is Cause.RELAY_BEHIND and Alone.RELAY not in around.tasks:
        return Cause.NO_RELAY
    if stuck.cause is not None:
        return stuck.cause
    match stuck.code:
        case StuckCode.NOT_DISPATCHED:
            return Cause.UNKNOWN if Alone.DISPATCHER in around.tasks else Cause.NO_DISPATCHER
        case StuckCode.NOT_CLAIMED:
            return _not_claimed(stuck, around)
        case StuckCode.LEASE_NOT_RENEWED:
            return Cause.WORKER_GONE if Alone.SWEEPER in around.tasks else Cause.NO_SWEEPER
        case StuckCode.HOLD_NOT_CLOSED:
            return _behind(stuck.job_id, (topics.USAGE,), around)
        case StuckCode.UPLOAD_WITHOUT_JOB:
            behind = _behind(stuck.job_id, (topics.OBJECT_EVENTS, topics.JOB_REQUESTS), around)
            if behind is Cause.UNKNOWN and Alone.RECONCILER not in around.tasks:
                return Cause.NO_RECONCILER
            return behind
        case _:
            return Cause.UNKNOWN


def _not_claimed(stuck: Stuck, around: Surroundings) -> Cause:
    if around.workers == 0:
        return Cause.NO_WORKER
    if stuck.operation is not None and around.running.get(stuck.operation, 0) > 0:
        return Cause.WORKERS_BUSY
    topic = topics.work(OperationName(stuck.operation)) if stuck.operation else ""
    return Cause.CONSUMER_BEHIND if around.lag.get(topic, 0) else Cause.UNKNOWN


def _behind(job_id: str, read: tuple[str, ...], around: Surroundings) -> Cause:
    if job_id in around.dead:
        return Cause.DEAD_LETTER
    behind = any(around.lag.get(topic, 0) for topic in read)
    return Cause.CONSUMER_BEHIND if behind else Cause.UNKNOWN
