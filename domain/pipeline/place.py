"""Where a waiting job stands in the fair order of its operation, and when it may start."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from psycopg import Connection

from domain.accounts import store as accounts
from domain.admission import quota_store
from domain.jobs import pace, place, queue
from domain.jobs.model import Job
from domain.jobs.place import COUNTED, Place
from domain.jobs.starts import seconds_until
from domain.pipeline.contend import Terms, caps_of, terms_of
from infra.clock import Clock
from schemas.states import JobState


def place_of(conn: Connection, job: Job, *, clock: Clock, counted: int = COUNTED) -> Place | None:
    """Return where a job stands in line; None when it is not queued.

    Ahead of it are the jobs of its own account with a higher priority, or of the same that are
    older; and of each other account as many as have their turn until then, by weight. What
    comes later is not foreseen, nor how many another account may have in flight; its own may
    not have more than it may. Counts at most so many jobs.
    """
    if job.state is not JobState.QUEUED or job.operation is None:
        return None
    now = clock.now()
    terms = terms_of(conn, job.operation, now)
    able = terms.able(accounts.active(conn, [job.account_id]))
    own = place.ahead_of_its_own(
        conn, job.operation, job.account_id, priority=job.priority, seq=job.seq, limit=counted
    )
    ahead, wait = own, None
    if able:
        ahead += _others(
            conn,
            terms,
            job.account_id,
            turns=own + 1,
            weight=terms.weights(able)[job.account_id],
            limit=counted - own,
        )
        wait = _wait_s(conn, terms, able, ahead=ahead, own=own, at=now)
    return Place(
        position=ahead + 1,
        at_least=ahead >= counted,
        # Whole seconds: more would look more certain than it is.
        estimated_start=None if wait is None else now + timedelta(seconds=round(wait)),
    )


def _others(
    conn: Connection, terms: Terms, account_id: str, *, turns: int, weight: int, limit: int
) -> int:
    """Return how many jobs of other accounts go before so many turns of one, up to `limit`."""
    found, after, left = 0, "", True
    while left and found < limit:
        # Most accounts weigh alike, and so have as many turns as this one.
        each = min(turns, limit)
        lines = place.lines(conn, terms.operation, after=after, each=each, limit=limit)
        left = sum(lines.values()) >= limit
        after = next(reversed(lines), after)
        lines.pop(account_id, None)
        shares = {
            account: -(-turns * own // weight)
            for account, own in terms.weights(terms.able(accounts.active(conn, lines))).items()
        }
        longer = {a: share for a, share in shares.items() if share > lines[a] == each}
        found += sum(min(lines[a], share) for a, share in shares.items() if a not in longer)
        if longer and found < limit:
            found += place.ahead_of_others(conn, terms.operation, longer, limit=limit - found)
    return min(found, limit)


def _wait_s(
    conn: Connection,
    terms: Terms,
    able: Mapping[str, str],
    *,
    ahead: int,
    own: int,
    at: datetime,
) -> float | None:
    """Return in how many seconds a job of the one account starts; None when that is not known."""
    operation = terms.operation
    speed = pace.recent(conn, operation, at).per_second
    if speed is None:
        return None
    flying = queue.in_flight(conn)
    ((account, limits),) = quota_store.limits(conn, able, at).items()
    return seconds_until(
        ahead,
        own,
        per_second=speed,
        in_flight=sum(jobs for (name, _), jobs in flying.items() if name == operation),
        caps=caps_of(
            operation,
            limits,
            own=flying.get((operation, account), 0),
            in_all=sum(jobs for (_, whose), jobs in flying.items() if whose == account),
            slowed=account in terms.slowed,
        ),
    )
