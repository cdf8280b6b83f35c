"""Where a waiting job stands in the fair order of its operation, and when it may start."""

from collections.abc import Mapping
from datetime import timedelta

from psycopg import Connection

from domain.jobs import pace, place, queue
from domain.jobs.model import Job
from domain.jobs.place import COUNTED, Place
from domain.pipeline.contend import weights
from infra.clock import Clock
from schemas.states import JobState


def place_of(conn: Connection, job: Job, *, clock: Clock) -> Place | None:
    """Return where a job stands in line; None when it is not queued.

    Ahead of it are the jobs of its own account with a higher priority, or of the same that are
    older; and of each other account as many as have their turn until then, by weight. What
    comes later, and how many an account may have in flight, is not foreseen. Counts at most
    `COUNTED` jobs.
    """
    if job.state is not JobState.QUEUED or job.operation is None:
        return None
    now = clock.now()
    own = place.ahead_of_its_own(
        conn, job.operation, job.account_id, priority=job.priority, seq=job.seq
    )
    waiting = queue.accounts_waiting(conn, job.operation) if own < COUNTED else []
    others = weights(conn, job.operation, {*waiting, job.account_id}, now)
    itself = others.pop(job.account_id, None)
    ahead = own
    if itself is not None and own < COUNTED:
        shares = _shares(itself, others, turns=own + 1)
        ahead += place.ahead_of_others(conn, job.operation, shares, limit=COUNTED - own)
    speed = pace.recent(conn, job.operation, now).per_second
    # Whole seconds: more would look more certain than it is.
    wait = round((ahead + 1) / speed) if itself is not None and speed is not None else None
    return Place(
        position=ahead + 1,
        at_least=ahead >= COUNTED,
        estimated_start=None if wait is None else now + timedelta(seconds=wait),
    )


def _shares(itself: int, others: Mapping[str, int], *, turns: int) -> dict[str, int]:
    """Return how many turns each of the others has before an account has had so many."""
    return {account: -(-turns * weight // itself) for account, weight in others.items()}
