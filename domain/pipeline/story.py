"""All that the database knows of one job, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from domain.billing import trail
from domain.billing.trail import Entry, HoldRow, UsageRow
from domain.jobs import outbox, read, store
from domain.jobs.model import Job
from domain.jobs.read import Transition
from domain.pipeline.check import one_view
from schemas.ids import JobId
from schemas.states import TERMINAL, JobState


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a job. `how` says what came of it, and is empty while it lasts.

    The database knows the worker and lease of the last attempt alone.
    """

    number: int
    dispatched_at: datetime
    claimed_at: datetime | None
    ended_at: datetime | None
    how: str
    worker: str | None
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message about the job that waits in the outbox, as the bytes that will be sent."""

    place: int
    topic: str
    at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Story:
    """A job, and everything that belongs to it, each list in order of time."""

    job: Job
    transitions: list[Transition]
    attempts: list[Attempt]
    hold: HoldRow | None
    entries: list[Entry]
    usage: UsageRow | None
    unsent: list[Unsent]
    retried_by: list[JobId]


def story(conn: Connection, job_id: str) -> Story | None:
    """Return a job's story as of one moment, or None when there is no such job."""
    with one_view(conn):
        job = store.get(conn, job_id)
        if job is None:
            return None
        transitions = read.transitions(conn, job.id)
        return Story(
            job=job,
            transitions=transitions,
            attempts=attempts(job, transitions),
            hold=trail.holds(conn, [job.id]).get(job.id),
            entries=trail.entries(conn, job.account_id, job.id),
            usage=trail.usage(conn, [job.id]).get(job.id),
            unsent=[
                Unsent(row.id, row.message.topic, at, row.message.body)
                for row, at in outbox.about(conn, job.id)
            ],
            retried_by=read.retries_of(conn, job.id),
        )


def attempts(job: Job, transitions: Sequence[Transition]) -> list[Attempt]:
    """Return the tries of a job, as its transitions tell of them."""
    return [
        _attempt(job, number, [each for each in transitions if each.attempt == number])
        for number in sorted({each.attempt for each in transitions if each.attempt > 0})
    ]


def _attempt(job: Job, number: int, steps: Sequence[Transition]) -> Attempt:
    dispatched = next((each.at for each in steps if each.state is JobState.DISPATCHED), steps[0].at)
    claimed = next((each.at for each in steps if each.state is JobState.RUNNING), None)
    end = next((s for s in steps if s.state is JobState.QUEUED or s.state in TERMINAL), None)
    last = number == job.attempt
    return Attempt(
        number=number,
        dispatched_at=dispatched,
        claimed_at=claimed,
        ended_at=end.at if end else None,
        how=_how(end, was_claimed=claimed is not None),
        worker=job.worker if last and claimed else None,
        lease_until=job.lease_until if last and claimed else None,
    )


def _how(end: Transition | None, *, was_claimed: bool) -> str:
    if end is None:
        return ""
    if end.state is JobState.QUEUED:
        return "lease lost" if was_claimed else "not claimed"
    return end.state
