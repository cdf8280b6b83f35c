"""What every transition leaves behind: its record, and the messages it causes."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from domain.jobs import outbox, store
from domain.jobs.model import Job
from domain.jobs.outbox import Message
from schemas import events, topics
from schemas.events import JobChanged
from schemas.states import TERMINAL, Actor, JobState

QUEUE_CHANNEL = "picmend_queue"
"""Postgres channel that is notified when jobs came to `queued`, or ended and left a place free."""

_WAKES_DISPATCHER = TERMINAL | {JobState.QUEUED}


def record(conn: Connection, jobs: Sequence[Job], *, by: Actor, at: datetime) -> None:
    """Record that jobs have come to where they stand, and tell of it on job-events."""
    if not jobs:
        return
    store.add_transitions(conn, jobs, by=by, at=at)
    outbox.put(conn, [_told(job, by=by, at=at) for job in jobs], at)
    if any(job.state in _WAKES_DISPATCHER for job in jobs):
        conn.execute("SELECT pg_notify(%s, '')", (QUEUE_CHANNEL,))


def _told(job: Job, *, by: Actor, at: datetime) -> Message:
    event = events.job_changed(
        JobChanged(
            job_id=job.id,
            account_id=job.account_id,
            version=job.version,
            state=job.state,
            attempt=job.attempt,
            by=by,
            at=at,
            origin=job.origin,
            code=job.code,
            detail=job.detail,
            operation=job.operation,
            preset=job.preset,
            source_key=job.source.key,
            result_key=job.result.key if job.result else None,
            limit=job.limit,
        )
    )
    return Message(topics.JOB_EVENTS, job.account_id, event.encode())
