"""Admission: each candidate becomes a queued job with a hold, one in review, or a rejected one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg import Connection, errors

from domain.accounts import store as accounts
from domain.admission import quota_store, restrictions
from domain.admission.quotas import Budget, Share, share_of
from domain.admission.restrictions import FREE
from domain.admission.windows import month_of
from domain.catalogue import store as catalogue
from domain.jobs import lines
from domain.jobs import store as jobs
from domain.jobs.model import Header, Job, NewJob
from domain.pipeline import told
from domain.pipeline.allot import Asked, allot
from domain.pipeline.record import record
from domain.pipeline.resolve import Candidate, ClockWindow, Priced, Refusal, Terms, resolve
from infra.clock import Clock
from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId
from schemas.states import Actor, JobState


@dataclass(frozen=True, slots=True)
class Admitted:
    """The job waits to be dispatched, and its amount is held."""

    job: Job


@dataclass(frozen=True, slots=True)
class HeldForReview:
    """The job waits for an operator. It has its share of the quotas, and no money is held yet."""

    job: Job


@dataclass(frozen=True, slots=True)
class Rejected:
    """The job has ended: its code and detail say why, and `limit` which limit was reached."""

    job: Job
    code: ErrorCode
    detail: str
    limit: LimitReached | None


@dataclass(frozen=True, slots=True)
class Known:
    """The job was decided before; nothing was changed."""

    job_id: JobId


Decision = Admitted | HeldForReview | Rejected | Known

ENVIRONMENT = "live"


class DecidedMeanwhileError(errors.SerializationFailure):
    """Another transaction has decided one of these jobs: begin anew, and it is known."""


def decide_batch(
    conn: Connection,
    candidates: Sequence[Candidate],
    *,
    clock: Clock,
    lifetime: timedelta,
    window: ClockWindow = ClockWindow(),  # noqa: B008 - frozen, and the same for everybody
    again: bool = False,
) -> dict[JobId, Decision]:
    """Decide candidates, in the caller's one transaction and a fixed number of statements.

    The same candidate again, in this batch or a later one, changes nothing: its answer is
    `Known`. Shares of quotas and holds are given in the order of the batch, so that of one
    account's jobs the earlier ones get them. `lifetime` is how long a job may wait, unless it
    says so. Those who are decided `again`, after their rows were lost, are counted, but
    limits and restrictions refuse none of them. Raises `DecidedMeanwhileError`.

    Locked until the transaction ends, in this order: accounts, shared; the months of their
    quotas; jobs; ledger accounts; facts.
    """
    if not candidates:
        return {}
    at = clock.now()
    once = {candidate.job_id: candidate for candidate in candidates}
    terms = _terms(conn, {candidate.account_id for candidate in once.values()}, at)
    if again:
        terms = {account_id: Terms(of.account) for account_id, of in terms.items()}
    offered = catalogue.load(conn, terms.keys(), at)
    resolved = {
        job_id: resolve(c, terms[c.account_id], offered, at=at, window=window)
        for job_id, c in once.items()
    }
    asked = [
        _asked(once[job_id], priced, terms[once[job_id].account_id])
        for job_id, priced in resolved.items()
        if isinstance(priced, Priced)
    ]
    budgets = _budgets(conn, terms, asked)
    # Asked behind the locks on what they would use: who decides the same job waits there.
    known = jobs.known(conn, once)
    fresh = [one for one in asked if one.job_id not in known]
    refused = allot(conn, fresh, budgets, offered, at=at)
    review = {one.job_id for one in fresh if one.review}
    shares = {one.job_id: one.share for one in fresh if one.job_id not in refused}
    wanted = [
        _new_job(
            once[job_id],
            outcome,
            refused.get(job_id),
            share=shares.get(job_id),
            review=job_id in review,
            at=at,
            lifetime=lifetime,
        )
        for job_id, outcome in resolved.items()
        if job_id not in known
    ]
    added = {job.id: job for job in jobs.insert(conn, wanted)}
    if shares.keys() - added.keys():
        raise DecidedMeanwhileError(f"{sorted(shares.keys() - added.keys())} were decided")
    _save(conn, budgets, {(one.account_id, month_of(one.share.day)) for one in fresh})
    decisions: dict[JobId, Decision] = {job_id: Known(job_id) for job_id in once}
    decisions |= {job.id: _decision(job) for job in added.values()}
    in_turn = [added[job.id] for job in wanted if job.id in added]
    record(conn, in_turn, by=Actor.DECIDE, at=at)
    told.decided(conn, in_turn)
    return decisions


def _terms(conn: Connection, account_ids: set[str], at: datetime) -> dict[str, Terms]:
    holders = accounts.lock_shared(conn, account_ids)
    limits = quota_store.limits(conn, {h.id: h.plan for h in holders.values()}, at)
    restricted = restrictions.in_force(conn, holders.keys(), at)
    return {
        account_id: Terms(
            holders.get(account_id),
            limits.get(account_id, {}),
            restricted.get(account_id, FREE),
        )
        for account_id in account_ids
    }


def _asked(candidate: Candidate, priced: Priced, terms: Terms) -> Asked:
    if terms.account is None:
        raise LookupError(f"{candidate.job_id} is priced, and there is no account")
    return Asked(
        candidate.job_id,
        terms.account.id,
        priced,
        share_of(
            priced.operation,
            priced.header.pixels,
            candidate.requested_at,
            terms.account.time_zone,
        ),
        candidate.review or terms.restricted.review,
    )


def _budgets(
    conn: Connection, terms: Mapping[str, Terms], asked: Sequence[Asked]
) -> dict[str, Budget]:
    """Return the budgets of those who ask, with the months that they are about locked."""
    months = quota_store.lock_months(
        conn, {(one.account_id, month_of(one.share.day)) for one in asked}
    )
    who: set[str] = {one.account_id for one in asked}
    bounds = {
        account_id: max(bound)
        for account_id in who
        if (
            bound := [
                v for (_, q), v in terms[account_id].limits.items() if q is Quota.JOBS_WAITING
            ]
        )
    }
    waiting = lines.waiting(conn, bounds)
    budgets = {
        account_id: Budget(
            terms[account_id].limits, _time_zone(terms[account_id]), {}, waiting.get(account_id, {})
        )
        for account_id in who
    }
    for (account_id, first), month in months.items():
        budgets[account_id].months[first] = month
    return budgets


def _time_zone(terms: Terms) -> str:
    return terms.account.time_zone if terms.account else "UTC"


def _save(
    conn: Connection, budgets: Mapping[str, Budget], changed: set[tuple[AccountId, date]]
) -> None:
    quota_store.save_months(
        conn,
        {(account_id, month): budgets[account_id].months[month] for account_id, month in changed},
    )


def _decision(job: Job) -> Decision:
    if job.code is not None:
        return Rejected(job, job.code, job.detail, job.limit)
    return HeldForReview(job) if job.state is JobState.REVIEW else Admitted(job)


def _new_job(
    candidate: Candidate,
    resolved: Priced | Refusal,
    unallotted: Refusal | None,
    *,
    share: Share | None,
    review: bool,
    at: datetime,
    lifetime: timedelta,
) -> NewJob:
    refusal = resolved if isinstance(resolved, Refusal) else unallotted
    # What waits for an operator is priced when it is let through.
    priced = resolved if isinstance(resolved, Priced) and not review else None
    if refusal is not None:
        state = JobState.REJECTED
    else:
        state = JobState.REVIEW if review else JobState.QUEUED
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
        state=state,
        code=refusal.code if refusal else None,
        detail=refusal.detail if refusal else "",
        amount=priced.amount if priced else None,
        unit=priced.unit if priced else None,
        requested_at=candidate.requested_at,
        admitted_at=at,
        expires_at=candidate.expires_at or at + lifetime,
        priority=candidate.priority,
        quota_day=share.day if share else None,
        limit=refusal.limit if refusal else None,
    )
