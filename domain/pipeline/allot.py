"""Who of a batch gets a share of the quotas, and its money held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from domain.admission.quotas import Budget, Share
from domain.billing import service as billing
from domain.billing.model import InsufficientBalance, NewHold
from domain.catalogue.model import Catalogue
from domain.pipeline.resolve import Priced, Refusal
from schemas.decisions import LimitReached, Quota
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that can be done, and what it would take. One for `review` holds no money yet."""

    job_id: JobId
    account_id: AccountId
    priced: Priced
    share: Share
    review: bool


def allot(
    conn: Connection,
    asked: Sequence[Asked],
    budgets: Mapping[str, Budget],
    offered: Catalogue,
    *,
    at: datetime,
) -> dict[JobId, Refusal]:
    """Count jobs against their accounts' budgets and hold their money, in the order given.

    Returns those that get neither, and why. A job that cannot be paid takes no share: those
    behind it that had found none left are asked again, so that no share stays unused.
    """
    refused: dict[JobId, Refusal] = {}
    waiting = list(asked)
    while waiting:
        fitting: list[Asked] = []
        beyond: list[Asked] = []
        for one in waiting:
            reached = budgets[one.account_id].take(one.share)
            if reached is None:
                refused.pop(one.job_id, None)
                fitting.append(one)
            else:
                refused[one.job_id] = _refusal(one, reached)
                beyond.append(one)
        unpaid = _unpaid(conn, [one for one in fitting if not one.review], offered, at=at)
        for one in fitting:
            if one.job_id in unpaid:
                budgets[one.account_id].give_back(one.share)
                refused[one.job_id] = unpaid[one.job_id]
        freed = {one.account_id for one in fitting if one.job_id in unpaid}
        waiting = [one for one in beyond if one.account_id in freed]
    return refused


def _refusal(one: Asked, reached: LimitReached) -> Refusal:
    code = ErrorCode.QUEUE_FULL if reached.quota is Quota.JOBS_WAITING else ErrorCode.QUOTA_EXCEEDED
    return Refusal(code, reached.text(), one.priced.parameters, reached)


def _unpaid(
    conn: Connection, asked: Sequence[Asked], offered: Catalogue, *, at: datetime
) -> dict[JobId, Refusal]:
    holds = [hold_of(one, offered, at=at) for one in asked]
    parameters = {one.job_id: one.priced.parameters for one in asked}
    return {
        job_id: Refusal(ErrorCode.INSUFFICIENT_BALANCE, shortfall(outcome), parameters[job_id])
        for job_id, outcome in billing.post_holds(conn, holds).items()
        if isinstance(outcome, InsufficientBalance)
    }


def hold_of(one: Asked, offered: Catalogue, *, at: datetime) -> NewHold:
    """Return the hold that a job needs, of the price that holds at `at`."""
    priced = one.priced
    return NewHold(
        one.job_id,
        one.account_id,
        priced.amount,
        priced.unit,
        at,
        price_id=offered.prices[priced.operation, priced.unit].id,
    )


def shortfall(outcome: InsufficientBalance) -> str:
    """Return what is missing, in words."""
    return (
        f"{outcome.required} {outcome.unit} minor units are needed, {outcome.available} available"
    )
