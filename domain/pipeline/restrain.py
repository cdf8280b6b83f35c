"""Restricting whom a finding, or an operator, is against; and letting go again."""

from datetime import datetime

from psycopg import Connection

from domain.accounts import service as accounts
from domain.accounts import store
from domain.accounts.model import AccountUnknownError
from domain.admission import restrictions
from domain.admission.facts import Subject, SubjectKind
from domain.admission.restrictions import Step
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
            accounts.suspend(conn, account_id, reason=reason, by=finding_id or by, at=at)
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
    held = restrictions.subjects_of(conn, finding_id)
    for subject in sorted(held):
        if subject.kind is SubjectKind.ACCOUNT:
            account_id = AccountId(subject.id)
            store.lock_to_change(conn, account_id)
            if store.suspended_by(conn, account_id) == finding_id:
                accounts.resume(conn, account_id, by=by, at=at)
    restrictions.lift(conn, finding_id, by=by, at=at)
    conn.execute("SELECT pg_notify(%s, '')", (QUEUE_CHANNEL,))
