"""Admission: each candidate becomes a queued job with a hold, or a rejected one with a code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection

from domain.accounts import store as accounts
from domain.billing import service as billing
from domain.billing.model import InsufficientBalance, NewHold
from domain.catalogue import store as catalogue
from domain.catalogue.model import Catalogue
from domain.jobs import store as jobs
from domain.jobs.model import Header, Job, NewJob
from domain.pipeline.record import record
from domain.pipeline.resolve import Candidate, Priced, Refusal, resolve
from infra.clock import Clock
from schemas.errors import ErrorCode
from schemas.ids import JobId
from schemas.states import Actor, JobState


@dataclass(frozen=True, slots=True)
class Admitted:
    """The job waits to be dispatched, and its amount is held."""

    job: Job


@dataclass(frozen=True, slots=True)
class Rejected:
    """The job has ended: its code and detail say why."""

    job: Job
    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True)
class Known:
    """The job was decided before; nothing was changed."""

    job_id: JobId


Decision = Admitted | Rejected | Known

ENVIRONMENT = "live"


def decide_batch(
    conn: Connection, candidates: Sequence[Candidate], *, clock: Clock, lifetime: timedelta
) -> dict[JobId, Decision]:
    """Decide candidates, in the caller's one transaction and a fixed number of statements.

    The same candidate again, in this batch or a later one, changes nothing: its answer is
    `Known`. Holds are posted in the order of the batch, so that of one account's jobs the
    earlier ones get the money. `lifetime` is how long a job may wait, unless it says so.
    """
    fresh = {c.job_id: c for c in candidates}
    known = jobs.known(conn, fresh)
    for job_id in known:
        del fresh[job_id]
    decisions: dict[JobId, Decision] = {job_id: Known(job_id) for job_id in known}
    if fresh:
        decisions |= _decide(conn, list(fresh.values()), at=clock.now(), lifetime=lifetime)
    return decisions


def _decide(
    conn: Connection, candidates: Sequence[Candidate], *, at: datetime, lifetime: timedelta
) -> dict[JobId, Decision]:
    account_ids = {candidate.account_id for candidate in candidates}
    holders = accounts.lock_shared(conn, account_ids)
    offered = catalogue.load(conn, account_ids, at)
    wanted = [
        _new_job(c, resolve(c, holders.get(c.account_id), offered), at=at, lifetime=lifetime)
        for c in candidates
    ]
    added = {job.id: job for job in jobs.insert(conn, wanted)}
    # Another transaction may have added some of them since `known` was read.
    decisions: dict[JobId, Decision] = {job.id: Known(job.id) for job in wanted}
    in_turn = [added[job.id] for job in wanted if job.id in added]
    added |= _reject_unpaid(conn, in_turn, offered, at=at)
    for job in added.values():
        decisions[job.id] = (
            Rejected(job, job.code, job.detail) if job.code is not None else Admitted(job)
        )
    record(conn, [added[job.id] for job in wanted if job.id in added], by=Actor.DECIDE, at=at)
    return decisions


def _reject_unpaid(
    conn: Connection, added: Sequence[Job], offered: Catalogue, *, at: datetime
) -> dict[JobId, Job]:
    holds = [
        NewHold(
            job.id,
            job.account_id,
            job.amount,
            job.unit,
            at,
            price_id=offered.prices[job.operation, job.unit].id,
        )
        for job in added
        if job.operation is not None and job.amount is not None and job.unit is not None
    ]
    unpaid = {
        job_id: (
            f"{outcome.required} {outcome.unit} minor units are needed,"
            f" {outcome.available} available"
        )
        for job_id, outcome in billing.post_holds(conn, holds).items()
        if isinstance(outcome, InsufficientBalance)
    }
    rejected = jobs.reject_new(conn, unpaid, code=ErrorCode.INSUFFICIENT_BALANCE, at=at)
    return {job.id: job for job in rejected}


def _new_job(
    candidate: Candidate, resolved: Priced | Refusal, *, at: datetime, lifetime: timedelta
) -> NewJob:
    priced = resolved if isinstance(resolved, Priced) else None
    refusal = resolved if isinstance(resolved, Refusal) else None
    return NewJob(
        id=candidate.job_id,
        account_id=candidate.account_id,
        origin=candidate.origin,
        environment=ENVIRONMENT,
        retry_of=candidate.retry_of,
        preset=candidate.preset,
        parameters=resolved.parameters,
        bucket=candidate.bucket,
        source=candidate.source,
        source_bytes=candidate.source_bytes,
        mask=candidate.mask,
        header=candidate.facts if isinstance(candidate.facts, Header) else None,
        state=JobState.QUEUED if priced else JobState.REJECTED,
        code=refusal.code if refusal else None,
        detail=refusal.detail if refusal else "",
        amount=priced.amount if priced else None,
        unit=priced.unit if priced else None,
        requested_at=candidate.requested_at,
        admitted_at=at,
        expires_at=candidate.expires_at or at + lifetime,
    )
