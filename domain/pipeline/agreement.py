"""Jobs against their holds, their usage events, their ids and the jobs they retry."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from psycopg import Connection

from domain.billing import trail
from domain.billing.trail import HoldRow, UsageRow
from domain.jobs import checks
from domain.jobs.checks import Terms
from domain.pipeline.findings import Finding, FindingCode
from schemas.ids import object_job_id, retry_job_id
from schemas.states import Origin

STALE_AFTER = timedelta(seconds=60)
"""How long what follows from a job's end, or waits for the relay or the sweeper, may take."""


def disagreements(conn: Connection, *, now: datetime) -> Iterator[Finding]:
    """Yield each disagreement there is, in one pass over all jobs, in pages.

    Needs one view of the database for all of its questions (REPEATABLE READ), or jobs that
    move between two of them look wrong.
    """
    for page in checks.terms(conn):
        yield from of_page(conn, page, now=now)


def of_page(conn: Connection, page: Sequence[Terms], *, now: datetime) -> Iterator[Finding]:
    """Yield the disagreements of some jobs."""
    ids = [job.id for job in page]
    holds, usage = trail.holds(conn, ids), trail.usage(conn, ids)
    for job in page:
        yield from _of_hold(job, holds.get(job.id), now)
        yield from _of_usage(job, usage.get(job.id))
        yield from _of_identity(job)


def _of_hold(job: Terms, hold: HoldRow | None, now: datetime) -> Iterator[Finding]:
    if hold is None:
        if job.was_queued and job.ended_at is None:
            detail = f"{job.state}, and no hold was ever posted for it"
            yield Finding(FindingCode.JOB_WITHOUT_HOLD, job.id, detail)
        elif job.was_queued:
            detail = f"it was queued and is {job.state}, without a hold and so without a usage"
            yield Finding(FindingCode.USAGE_MISSING, job.id, detail)
        return
    if not job.was_queued:
        detail = f"{job.state}, never queued, and yet its hold is {hold.state}"
        yield Finding(FindingCode.HOLD_OF_UNQUEUED, job.id, detail)
        return
    if (hold.account_id, hold.amount, hold.unit) != (job.account_id, job.amount, job.unit):
        detail = (
            f"{hold.amount} {hold.unit} of {hold.account_id} are held, the job says "
            f"{job.amount} {job.unit} of {job.account_id}"
        )
        yield Finding(FindingCode.HOLD_CONTRADICTS_JOB, job.id, detail)
    if job.ended_at is None and hold.state != "open":
        detail = f"{job.state}, and its hold is {hold.state}: no hold is open for it"
        yield Finding(FindingCode.JOB_WITHOUT_HOLD, job.id, detail)
    if job.ended_at is not None and hold.state == "open" and now - job.ended_at > STALE_AFTER:
        detail = f"{job.state} at {job.ended_at.isoformat()}, and its hold is still open"
        yield Finding(FindingCode.STALE_HOLD, job.id, detail)


def _of_usage(job: Terms, usage: UsageRow | None) -> Iterator[Finding]:
    """Say what contradicts: that usage and hold agree is for `domain.billing.checks`."""
    if usage is not None and job.ended_at is not None and usage.outcome != job.state:
        detail = f"{job.state}; its usage says {usage.outcome}, {usage.charged} charged"
        yield Finding(FindingCode.USAGE_CONTRADICTS_JOB, job.id, detail)


def _of_identity(job: Terms) -> Iterator[Finding]:
    if job.retry_of is not None:
        if job.id != retry_job_id(job.retry_of):
            detail = f"it is not the id of a retry of {job.retry_of}"
            yield Finding(FindingCode.RETRY_CONTRADICTS_JOB, job.id, detail)
        elif job.retried_ended_at is None:
            detail = f"it retries {job.retry_of}, which has not ended"
            yield Finding(FindingCode.RETRY_CONTRADICTS_JOB, job.id, detail)
    elif job.origin == Origin.OBJECT and job.id != object_job_id(
        job.bucket, job.source_key, job.source_etag, job.mask_etag
    ):
        detail = f"it is not the id of {job.source_key!r} with ETag {job.source_etag}"
        yield Finding(FindingCode.ID_CONTRADICTS_SOURCE, job.id, detail)
