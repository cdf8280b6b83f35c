"""Which of the waiting jobs go to the workers next: round robin over accounts."""

from dataclasses import dataclass

from psycopg import Connection

from domain.accounts import store as accounts
from domain.jobs import outbox, queue, store
from domain.jobs.model import Job
from domain.jobs.outbox import Message
from domain.pipeline.record import record
from infra.clock import Clock
from schemas import events, topics
from schemas.events import WorkDispatched
from schemas.operations import OperationName
from schemas.states import Actor


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the dispatcher did: how many it sent, and whom it served last."""

    dispatched: int
    last_account: str


def dispatch(
    conn: Connection, operation: OperationName, *, cap: int, after_account: str, clock: Clock
) -> Turn:
    """Send waiting jobs of `operation` to the workers, up to `cap` in flight in all.

    Accounts are served in turn, beginning behind `after_account`, one job each and then
    again; within an account the oldest goes first. Jobs of accounts that may not run wait.
    """
    free = cap - queue.in_flight(conn, operation)
    if free <= 0:
        return Turn(0, after_account)
    chosen = queue.next_in_line(
        conn, operation, after_account=after_account, barred=accounts.barred(conn), limit=free
    )
    if not chosen:
        return Turn(0, after_account)
    at = clock.now()
    moved = {job.id: job for job in store.dispatch(conn, [waiting.id for waiting in chosen], at)}
    in_turn = [moved[waiting.id] for waiting in chosen if waiting.id in moved]
    record(conn, in_turn, by=Actor.DISPATCHER, at=at)
    outbox.put(conn, [_work(job, operation, clock) for job in in_turn], at)
    return Turn(len(in_turn), chosen[-1].account_id)


def _work(job: Job, operation: OperationName, clock: Clock) -> Message:
    event = events.work_dispatched(
        WorkDispatched(job_id=job.id, attempt=job.attempt, operation=operation), at=clock.now()
    )
    return Message(topics.work(operation), job.id, event.encode())
