"""Trying an ended job again: a new job that links to the old one."""

from datetime import datetime

from domain.jobs.model import Job
from domain.pipeline.resolve import Candidate
from schemas.ids import retry_job_id
from schemas.states import TERMINAL, JobState


class NotRetryableError(Exception):
    """The job cannot be tried again; the message says why and what to do instead."""


def retry_candidate(job: Job, *, at: datetime) -> Candidate:
    """Return the one candidate that tries `job` again: its source, under today's terms.

    Preset and price are resolved anew, so a preset that was missing may now be there. Asking
    twice gives the same job. Raises `NotRetryableError`.
    """
    if job.state not in TERMINAL:
        raise NotRetryableError(f"{job.id} has not ended: it is {job.state}; wait or cancel it")
    if job.state is JobState.SUCCEEDED:
        raise NotRetryableError(f"{job.id} has succeeded; there is nothing to try again")
    if job.header is None:
        raise NotRetryableError(
            f"{job.id} ended {job.code} before its picture was read; upload it again"
        )
    return Candidate(
        job_id=retry_job_id(job.id),
        account_id=job.account_id,
        origin=job.origin,
        preset=job.preset,
        parameters=job.parameters if job.preset is None else None,
        bucket=job.bucket,
        source=job.source,
        source_bytes=job.source_bytes,
        mask=job.mask,
        facts=job.header,
        requested_at=at,
        retry_of=job.id,
        priority=job.priority,
    )
