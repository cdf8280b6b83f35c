"""The one way a job ends, whoever ends it."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from domain.jobs import outbox, store
from domain.jobs.model import Ending, Job, holds_money, may_end
from domain.jobs.outbox import Message
from domain.pipeline.record import record
from infra.clock import Clock
from schemas import events, topics
from schemas.events import UsageRecorded
from schemas.ids import AccountId, JobId


def end_batch(conn: Connection, endings: Sequence[Ending], *, clock: Clock) -> dict[JobId, Job]:
    """End jobs, and return those that ended now, as they are.

    An ending that is not legal from where its job stands, or that comes again, is dropped.
    In the caller's one transaction: state, transition, job event and, exactly when the job
    has a hold, its one usage event.
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
    return ended


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
