"""The one way a job ends, whoever ends it."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from domain.admission import quota_store
from domain.admission.quotas import Share
from domain.admission.windows import month_of
from domain.jobs import outbox, store
from domain.jobs.model import Ending, Job, gives_back, holds_money, may_end
from domain.jobs.outbox import Message
from domain.pipeline import told
from domain.pipeline.record import record
from infra.clock import Clock
from schemas import events, topics
from schemas.events import UsageRecorded
from schemas.ids import AccountId, JobId
from schemas.megapixels import started_megapixels


def end_batch(conn: Connection, endings: Sequence[Ending], *, clock: Clock) -> dict[JobId, Job]:
    """End jobs, and return those that ended now, as they are.

    An ending that is not legal from where its job stands, or that comes again, is dropped.
    In the caller's one transaction: state, transition, job event and, exactly when the job
    has a hold, its one usage event; and its share of the quotas goes back if it failed, or
    never began.
    """
    before = store.lock(conn, {ending.job_id for ending in endings})
    legal: dict[JobId, Ending] = {}
    for ending in endings:
        job = before.get(ending.job_id)
        if job is not None and ending.job_id not in legal and may_end(job, ending):
            legal[ending.job_id] = ending
    if not legal:
        return {}
    at = clock.now()
    ended = {job.id: job for job in store.end(conn, legal.values(), at)}
    for actor in {ending.by for ending in legal.values()}:
        record(conn, [job for job in ended.values() if legal[job.id].by is actor], by=actor, at=at)
    usage = [_usage(job, at) for job in ended.values() if holds_money(before[job.id])]
    outbox.put(conn, usage, at)
    _give_back(
        conn, [before[job_id] for job_id in ended if gives_back(before[job_id], ended[job_id])]
    )
    told.ended(conn, ended.values(), at=at)
    return ended


def _give_back(conn: Connection, jobs: Sequence[Job]) -> None:
    """Give the shares of jobs back to the months that they were counted in."""
    shares = {
        job.id: Share(job.operation, job.quota_day, started_megapixels(job.header.pixels))
        for job in jobs
        if job.operation is not None and job.quota_day is not None and job.header is not None
    }
    counted_in = {
        job.id: (job.account_id, month_of(shares[job.id].day)) for job in jobs if job.id in shares
    }
    months = quota_store.lock_months(conn, set(counted_in.values()))
    for job_id, share in shares.items():
        months[counted_in[job_id]].add(share, -1)
    quota_store.save_months(conn, months)


def _usage(job: Job, at: datetime) -> Message:
    if job.operation is None or job.header is None or job.amount is None or job.unit is None:
        raise ValueError(f"{job.id} has a hold but lacks an operation, a header or an amount")
    result = job.result
    event = events.usage_recorded(
        UsageRecorded(
            job_id=job.id,
            account_id=AccountId(job.account_id),
            operation=job.operation,
            preset=job.preset,
            outcome=job.state,
            code=job.code,
            amount=job.amount,
            unit=job.unit,
            environment=job.environment,
            requested_at=job.requested_at,
            admitted_at=job.admitted_at,
            ended_at=at,
            input_bytes=job.source_bytes,
            input_pixels=job.header.pixels,
            output_bytes=result.size if result else None,
            output_pixels=(
                result.width * result.height if result and result.width and result.height else None
            ),
            # The worker's clock and this one's may differ by more than it took.
            duration_ms=(
                max(0, round((at - job.started_at).total_seconds() * 1000))
                if job.started_at
                else None
            ),
        )
    )
    return Message(topics.USAGE, job.account_id, event.encode())
