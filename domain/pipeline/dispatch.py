"""Which of the waiting jobs go to the workers next: weighted round robin over accounts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.jobs import outbox, queue, store
from domain.jobs.model import Job
from domain.jobs.outbox import Message
from domain.jobs.turns import Contender, Turns, enter, plan, served
from domain.pipeline.contend import contending
from domain.pipeline.record import record
from infra.clock import Clock
from schemas import events, topics
from schemas.events import WorkDispatched
from schemas.ids import JobId
from schemas.operations import OperationName
from schemas.states import Actor

BATCH: Final = 500
"""The most jobs of one turn: the next one may find other accounts waiting."""

_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the dispatcher did: how many it sent, and where the accounts stand.

    `held_up` tells that jobs wait on which may run: there is no place for them, or the turn
    was full.
    """

    dispatched: int
    turns: Turns
    held_up: bool = False


def dispatch(
    conn: Connection,
    operation: OperationName,
    *,
    cap: int,
    turns: Turns,
    clock: Clock,
    cap_in_all: int | None = None,
) -> Turn:
    """Send waiting jobs of `operation` to the workers, up to `cap` in flight.

    With `cap_in_all`, up to so many in flight of all operations. Accounts are served in turn,
    by the weight of their plans, each up to its own limits of jobs in flight; within an account
    by priority, then the oldest first. Jobs of accounts that may not run, or for which the
    operation is suspended, wait. To be called by one process at a time.
    """
    flying = queue.in_flight(conn)
    free = min(
        cap - sum(jobs for (name, _), jobs in flying.items() if name == operation),
        BATCH if cap_in_all is None else cap_in_all - sum(flying.values()),
        BATCH,
    )
    if free <= 0:
        return Turn(0, turns, held_up=True)
    waiting = queue.accounts_waiting(conn, operation)
    at = clock.now()
    contenders = contending(conn, operation, waiting, flying, at)
    able = {account: each for account, each in contenders.items() if each.places > 0}
    sent, turns, left = _serve(conn, operation, able, turns=enter(turns, able), free=free, at=at)
    record(conn, sent, by=Actor.DISPATCHER, at=at)
    outbox.put(conn, [_work(job, operation, at) for job in sent], at)
    return Turn(len(sent), turns, held_up=left or len(able) < len(contenders))


def _serve(
    conn: Connection,
    operation: OperationName,
    contenders: Mapping[str, Contender],
    *,
    turns: Turns,
    free: int,
    at: datetime,
) -> tuple[list[Job], Turns, bool]:
    """Dispatch the jobs whose turn it is; return them in order, and whether any may be left.

    How long the lines are is not known before they are read: where one runs out, its places
    go to the others in a further round.
    """
    left = dict(contenders)
    sent: list[Job] = []
    for _ in range(_ROUNDS):
        order = plan(turns, left, free - len(sent))
        if not order:
            break
        asked = Counter(order)
        chosen = _dealt(order, queue.heads(conn, operation, asked))
        turns = served(turns, left, [account for account, _ in chosen])
        moved = {job.id: job for job in store.dispatch(conn, [job for _, job in chosen], at)}
        sent += [moved[job_id] for _, job_id in chosen if job_id in moved]
        given = Counter(account for account, _ in chosen)
        left = {
            account: Contender(each.weight, each.places - given[account])
            for account, each in left.items()
            if given[account] == asked[account]
        }
    return sent, turns, bool(left)


def _dealt(order: Sequence[str], lines: Mapping[str, Sequence[JobId]]) -> list[tuple[str, JobId]]:
    """Return the jobs in the order of the turns; one for which there is no job is left out."""
    each = {account: iter(line) for account, line in lines.items()}
    return [
        (account, job_id)
        for account in order
        if account in each and (job_id := next(each[account], None)) is not None
    ]


def _work(job: Job, operation: OperationName, at: datetime) -> Message:
    event = events.work_dispatched(
        WorkDispatched(job_id=job.id, attempt=job.attempt, operation=operation), at=at
    )
    return Message(topics.work(operation), job.id, event.encode())
