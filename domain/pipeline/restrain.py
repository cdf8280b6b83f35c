"""Restricting whom a finding, or an operator, is against; and letting go again."""

from datetime import datetime

from psycopg import Connection

from domain.accounts import service as accounts
from domain.accounts import store
from domain.accounts.model import AccountUnknownError
from domain.admission import restrictions
from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Restriction, Step
from domain.pipeline.record import QUEUE_CHANNEL
from infra.clock import Clock
from schemas.ids import AccountId
from schemas.operations import OperationName


def restrain(
    conn: Connection,
    subject: Subject,
    step: Step,
    *,
    operation: OperationName | None = None,
    finding_id: str | None,
    reason: str,
    by: str,
    until: datetime | None,
    clock: Clock,
) -> None:
    """Put a step in force against a subject, until then or until it is lifted.

    An account is locked first, against everything that starts its work: when this commits,
    nothing of what is suspended starts any more. `flag` restricts nothing. Raises
    `AccountUnknownError`.
    """
    if step is Step.FLAG:
        return
    at = clock.now()
    if subject.kind is SubjectKind.ACCOUNT:
        account_id = AccountId(subject.id)
        if store.lock_to_change(conn, account_id) is None:
            raise AccountUnknownError(subject.id)
        if step is Step.SUSPEND_ACCOUNT:
            who = finding_id or by
            accounts.suspend(conn, account_id, reason=reason, by=who, at=at, instead=False)
    restrictions.restrict(
        conn,
        subject,
        step,
        operation=operation,
        finding_id=finding_id,
        reason=reason,
        by=by,
        since=at,
        until=until,
    )


def release(conn: Connection, finding_id: str, *, by: str, clock: Clock) -> None:
    """Lift all that a finding put in force; what waited because of it goes on.

    An account stays suspended if its suspension is not this finding's.
    """
    at = clock.now()
    held = sorted(restrictions.subjects_of(conn, finding_id))
    accounts_held = [s for s in held if s.kind is SubjectKind.ACCOUNT]
    for subject in accounts_held:
        store.lock_to_change(conn, AccountId(subject.id))
    restrictions.lift(conn, finding_id, by=by, at=at)
    for subject in accounts_held:
        _resume(conn, AccountId(subject.id), finding_id, by=by, at=at)
    conn.execute("SELECT pg_notify(%s, '')", (QUEUE_CHANNEL,))


def expire(conn: Connection, overdue: Restriction, *, by: str, clock: Clock) -> None:
    """Lift one restriction of a finding, whose time is over, as `release` does."""
    at = clock.now()
    account_id = AccountId(overdue.subject.id)
    of_account = overdue.subject.kind is SubjectKind.ACCOUNT
    if of_account:
        store.lock_to_change(conn, account_id)
    restrictions.lift_one(conn, overdue.id, by=by, at=at)
    if of_account and overdue.step is Step.SUSPEND_ACCOUNT:
        _resume(conn, account_id, overdue.finding_id, by=by, at=at)
    conn.execute("SELECT pg_notify(%s, '')", (QUEUE_CHANNEL,))


def _resume(
    conn: Connection, account_id: AccountId, finding_id: str | None, *, by: str, at: datetime
) -> None:
    """Resume a locked account if a finding suspended it and no other finding does."""
    if finding_id is None or store.suspended_by(conn, account_id) != finding_id:
        return
    another = restrictions.suspending(conn, account_id, at)
    if another is not None and another[0] == finding_id:
        return
    accounts.resume(conn, account_id, by=by, at=at)
    if another is not None:
        # It found an account that was suspended already: from here on the suspension is its own.
        other, reason = another
        accounts.suspend(conn, account_id, reason=reason, by=other, at=at)
