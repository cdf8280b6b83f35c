"""Where a waiting job stands in the fair order of its operation, and when it may start."""

from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Final

from psycopg import Connection

from domain.jobs import pace, place, queue
from domain.jobs.model import Job
from domain.jobs.place import COUNTED, Place
from domain.pipeline.contend import weights
from infra.clock import Clock
from schemas.operations import OperationName
from schemas.states import JobState

ACCOUNTS: Final = 250
"""Accounts that are looked at together: in a long line the first ones tell enough."""


def place_of(conn: Connection, job: Job, *, clock: Clock, counted: int = COUNTED) -> Place | None:
    """Return where a job stands in line; None when it is not queued.

    Ahead of it are the jobs of its own account with a higher priority, or of the same that are
    older; and of each other account as many as have their turn until then, by weight. What
    comes later, and how many an account may have in flight, is not foreseen. Counts at most
    so many jobs.
    """
    if job.state is not JobState.QUEUED or job.operation is None:
        return None
    now = clock.now()
    operation, account_id = job.operation, job.account_id
    itself = weights(conn, operation, [account_id], now).get(account_id)
    own = place.ahead_of_its_own(
        conn, operation, account_id, priority=job.priority, seq=job.seq, limit=counted
    )
    others = 0
    if itself is not None:
        turns = Fraction(own + 1, itself)
        others = _others(conn, operation, account_id, turns=turns, limit=counted - own, at=now)
    ahead = own + others
    speed = pace.recent(conn, operation, now).per_second
    # Whole seconds: more would look more certain than it is.
    wait = round((ahead + 1) / speed) if itself is not None and speed is not None else None
    return Place(
        position=ahead + 1,
        at_least=ahead >= counted,
        estimated_start=None if wait is None else now + timedelta(seconds=wait),
    )


def _others(
    conn: Connection,
    operation: OperationName,
    account_id: str,
    *,
    turns: Fraction,
    limit: int,
    at: datetime,
) -> int:
    """Return how many jobs of other accounts go before so many turns per weight, up to `limit`."""
    found, after = 0, ""
    while found < limit:
        waiting = queue.accounts_waiting(conn, operation, after=after, limit=ACCOUNTS)
        if not waiting:
            break
        after = waiting[-1]
        others = [each for each in waiting if each != account_id]
        shares = {
            account: ceil(turns * weight)
            for account, weight in weights(conn, operation, others, at).items()
        }
        # Whoever waits has one job at least.
        found += sum(1 for share in shares.values() if share == 1)
        more = {account: share for account, share in shares.items() if share > 1}
        if more:
            found += place.ahead_of_others(conn, operation, more, limit=max(0, limit - found))
    return min(found, limit)
