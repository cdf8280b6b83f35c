"""A job asked for by request: decided in the request, or refused without a trace."""

from datetime import timedelta

from psycopg import Connection

from domain.jobs import store
from domain.jobs.model import Job
from domain.pipeline.decide import Admitted, HeldForReview, Known, Rejected, decide_batch
from domain.pipeline.resolve import Candidate
from domain.pipeline.retry import retry_candidate
from infra.clock import Clock
from schemas.decisions import LimitReached
from schemas.errors import ErrorCode
from schemas.ids import JobId


class RefusedError(Exception):
    """The request is refused: roll its transaction back, and nothing of it remains."""

    def __init__(self, code: ErrorCode, detail: str, limit: LimitReached | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.limit = limit


class IdempotencyConflictError(Exception):
    """The idempotency key was used for another request."""


def submit(
    conn: Connection,
    candidate: Candidate,
    *,
    idempotency_key: str,
    request_sha256: bytes,
    clock: Clock,
    lifetime: timedelta,
) -> Job:
    """Decide a client's request and return its job, in the caller's one transaction.

    The same key with the same request returns the same job; a second one at this very moment
    waits for the first. `candidate.job_id` is derived from the key. Raises
    `IdempotencyConflictError` for another request, and `RefusedError`, after which the key
    may be used again.
    """
    decision = _decide_one(conn, candidate, clock=clock, lifetime=lifetime)
    if isinstance(decision, Admitted | HeldForReview):
        store.remember(
            conn,
            candidate.account_id,
            idempotency_key,
            request_sha256=request_sha256,
            job_id=candidate.job_id,
            at=clock.now(),
        )
        return decision.job
    bound = store.recall(conn, candidate.account_id, idempotency_key)
    if bound is None or bound != (request_sha256, candidate.job_id):
        raise IdempotencyConflictError(f"the key {idempotency_key!r} was used for another request")
    return _existing(conn, candidate.job_id)


def submit_retry(conn: Connection, old: Job, *, clock: Clock, lifetime: timedelta) -> Job:
    """Try an ended job again and return the one job that does so, however often asked.

    Raises `NotRetryableError` and `RefusedError`.
    """
    candidate = retry_candidate(old, at=clock.now())
    decision = _decide_one(conn, candidate, clock=clock, lifetime=lifetime)
    if isinstance(decision, Known):
        return _existing(conn, candidate.job_id)
    return decision.job


def _decide_one(
    conn: Connection, candidate: Candidate, *, clock: Clock, lifetime: timedelta
) -> Admitted | HeldForReview | Known:
    decision = decide_batch(conn, [candidate], clock=clock, lifetime=lifetime)[candidate.job_id]
    if isinstance(decision, Rejected):
        raise RefusedError(decision.code, decision.detail, decision.limit)
    return decision


def _existing(conn: Connection, job_id: JobId) -> Job:
    job = store.get(conn, job_id)
    if job is None:
        raise LookupError(f"{job_id} was decided but is not there")
    return job
