"""Stopping a job at its client's or an operator's word."""

from typing import Literal

from psycopg import Connection

from domain.jobs import store
from domain.jobs.model import Ending, Job
from domain.pipeline.end import end_batch
from infra.clock import Clock
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import TERMINAL, Actor, JobState


class JobEndedError(Exception):
    """The job has ended; there is nothing left to stop."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.id} has ended: it is {job.state}")
        self.job = job


def cancel(
    conn: Connection, job_id: JobId, *, by: Literal[Actor.CLIENT, Actor.OPERATOR], clock: Clock
) -> Job | None:
    """Cancel a job and return it as it is now, or None when there is none.

    One that waits ends at once, free of charge. One that runs is asked to stop: it ends
    cancelled and free if its worker stops first, else succeeded and charged. Raises
    `JobEndedError` for one that has ended otherwise; cancelling twice is harmless.
    """
    job = store.lock(conn, [job_id]).get(job_id)
    if job is None or job.state is JobState.CANCELLED:
        return job
    if job.state in TERMINAL:
        raise JobEndedError(job)
    if job.state is JobState.RUNNING:
        store.request_cancel(conn, job_id)
        return store.get(conn, job_id)
    ending = Ending(job_id, JobState.CANCELLED, by, code=ErrorCode.JOB_CANCELLED)
    return end_batch(conn, [ending], clock=clock).get(job_id)
