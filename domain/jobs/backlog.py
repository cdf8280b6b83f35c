"""How much waits, and since when: cheap to ask, whatever has been done before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from schemas.states import JobState


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many, the oldest of them since `since`."""

    count: int
    since: datetime | None


NOTHING = Waiting(0, None)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not ended, by state, and what was not sent.

    `since` is when the oldest job of a state was admitted (queued, review), dispatched or
    started, and when the oldest message was written. `oldest_request` is when the oldest job
    that has not ended was uploaded, or asked for.
    """

    jobs: Mapping[JobState, Waiting]
    outbox: Waiting
    oldest_request: datetime | None


def backlog(conn: Connection) -> Backlog:
    """Count what waits, in one statement that reads as many rows as wait."""
    rows = conn.execute(
        "SELECT state, count(*), min(admitted_at), min(requested_at)"
        " FROM jobs WHERE state IN ('queued', 'review') GROUP BY state"
        " UNION ALL SELECT state, count(*),"
        " min(CASE state WHEN 'running' THEN started_at ELSE dispatched_at END),"
        " min(requested_at)"
        " FROM jobs WHERE state IN ('dispatched', 'running') GROUP BY state"
        " UNION ALL SELECT 'outbox', count(*), min(at), NULL FROM outbox"
    ).fetchall()
    found = {name: Waiting(count, since) for name, count, since, _ in rows}
    return Backlog(
        jobs={
            state: found.get(state, NOTHING)
            for state in (JobState.REVIEW, JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING)
        },
        outbox=found.get("outbox", NOTHING),
        oldest_request=min((asked for *_, asked in rows if asked is not None), default=None),
    )
