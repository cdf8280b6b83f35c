"""The SQL by which a client changes the order of its waiting jobs, and when they are given up.

Neither is a transition: the job's state and version stay, and no event tells of it.
"""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import dict_row

from domain.jobs.model import Job
from domain.jobs.rows import COLUMNS, job_from_row
from schemas.ids import JobId


class JobNotWaitingError(Exception):
    """The job waits no longer, so its place in the line cannot be changed."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.id} does not wait: it is {job.state}")
        self.job = job


def reorder(
    conn: Connection, job_id: JobId, *, priority: int | None, expires_at: datetime | None
) -> Job | None:
    """Change what is given, and return the job; None when it does not wait, or is not there.

    Of a dispatcher that takes the job at this moment one comes first: the job is dispatched by
    its new priority, or is not changed.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "UPDATE jobs SET priority = coalesce(%s, priority),"
            " expires_at = coalesce(%s, expires_at)"
            " WHERE id = %s AND state IN ('queued', 'review') RETURNING " + COLUMNS,
            (priority, expires_at, job_id),
        ).fetchone()
    return job_from_row(row) if row else None
