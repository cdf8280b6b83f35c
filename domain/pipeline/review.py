"""What an operator makes of a job that waits for a look: let through, or rejected."""

from psycopg import Connection

from domain.accounts import store as accounts
from domain.billing import service as billing
from domain.billing.model import InsufficientBalance, NewHold
from domain.catalogue import store as catalogue
from domain.jobs import store
from domain.jobs.model import Ending, Job
from domain.pipeline.allot import shortfall
from domain.pipeline.end import end_batch
from domain.pipeline.record import record
from infra.clock import Clock
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import Actor, JobState


class NotInReviewError(Exception):
    """The job does not wait for an operator (any more)."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.id} is not in review: it is {job.state}")
        self.job = job


def approve(conn: Connection, job_id: JobId, *, clock: Clock) -> Job | None:
    """Let a job in review go on, at today's price; return it as it is now, None if there is none.

    Its money is held now: what cannot be paid, or has no price any more, ends rejected. An
    account that is suspended meanwhile keeps its job in line. Raises `NotInReviewError`.
    """
    before = store.get(conn, job_id)
    if before is None:
        return None
    accounts.lock_shared(conn, [before.account_id])
    job = _in_review(conn, job_id)
    at = clock.now()
    offered = catalogue.load(conn, [job.account_id], at)
    account = accounts.get(conn, job.account_id)
    if account is None or job.operation is None or job.header is None:
        raise LookupError(f"{job_id} is in review without an account, an operation or a header")
    amount = offered.amount(job.operation, account.unit, job.header.pixels)
    if amount is None:
        detail = f"{job.operation} has no price in {account.unit}"
        return _reject(conn, job_id, ErrorCode.PRICE_MISSING, detail, clock)
    price_id = offered.prices[job.operation, account.unit].id
    hold = NewHold(job.id, job.account_id, amount, account.unit, at, price_id=price_id)
    outcome = billing.post_holds(conn, [hold])[job.id]
    if isinstance(outcome, InsufficientBalance):
        return _reject(conn, job_id, ErrorCode.INSUFFICIENT_BALANCE, shortfall(outcome), clock)
    queued = store.queue_reviewed(conn, job_id, amount=amount, unit=account.unit, at=at)
    record(conn, [queued], by=Actor.OPERATOR, at=at)
    return queued


def reject(conn: Connection, job_id: JobId, *, reason: str, clock: Clock) -> Job | None:
    """Reject a job in review, free of charge; return it as it is now, None if there is none.

    Its share of the quotas goes back. Raises `NotInReviewError`.
    """
    if store.get(conn, job_id) is None:
        return None
    _in_review(conn, job_id)
    return _reject(conn, job_id, ErrorCode.REVIEW_REJECTED, reason, clock)


def _in_review(conn: Connection, job_id: JobId) -> Job:
    job = store.lock(conn, [job_id])[job_id]
    if job.state is not JobState.REVIEW:
        raise NotInReviewError(job)
    return job


def _reject(conn: Connection, job_id: JobId, code: ErrorCode, detail: str, clock: Clock) -> Job:
    ending = Ending(job_id, JobState.REJECTED, Actor.OPERATOR, code=code, detail=detail)
    return end_batch(conn, [ending], clock=clock)[job_id]
