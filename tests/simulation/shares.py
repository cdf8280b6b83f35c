"""What must hold of quotas and facts after a run: what was counted is what happened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

Day = tuple[str, str]
"""An account, and a day as it is written."""


def quotas_are_exact(conn: Connection) -> Iterator[str]:
    """What is counted was admitted and not given back, and is never beyond a limit."""
    taken, kept, odd = _shares(conn)
    yield from odd
    counted = _counted(conn)
    for key in sorted(counted.keys() | kept.keys()):
        if counted[key] != kept[key]:
            yield f"quota: {key} counts {counted[key]} jobs, and {kept[key]} have their share"
    limits: dict[str, int] = dict(
        conn.execute(
            "SELECT account_id, value FROM quota_overrides WHERE quota = 'jobs_per_day'"
        ).fetchall()
    )
    for (account, day), count in sorted(counted.items()):
        if account in limits and count > limits[account]:
            yield f"quota: {account} counts {count} of {limits[account]} on {day}"
    refusals = conn.execute(
        "SELECT id, account_id, limit_reached FROM jobs WHERE code = 'quota_exceeded' ORDER BY id"
    ).fetchall()
    for job, account, reached in refusals:
        most = sum(count for (whose, _), count in taken.items() if whose == account)
        if not reached["limit"] < reached["used"] + reached["asked"] or reached["used"] > most:
            yield f"quota: {job} was refused with {reached}, and {account} took {most}"


def _shares(conn: Connection) -> tuple[Counter[Day], Counter[Day], list[str]]:
    """Return the shares that were taken, those that were kept, and what does not fit."""
    taken: Counter[Day] = Counter()
    kept: Counter[Day] = Counter()
    odd: list[str] = []
    rows = conn.execute(
        "SELECT j.id, j.account_id, j.quota_day::text, array_agg(t.state ORDER BY t.version)"
        " FROM jobs j JOIN transitions t ON t.job_id = j.id GROUP BY j.id ORDER BY j.id"
    ).fetchall()
    for job, account, day, states in rows:
        admitted = states[0] in ("queued", "review")
        if admitted != (day is not None):
            odd.append(f"quota: {job} went {states} and was counted on {day}")
        if admitted:
            taken[account, day] += 1
            kept[account, day] += _keeps(states)
    return taken, kept, odd


def _keeps(states: list[str]) -> bool:
    """Tell whether a job's share is used up: it succeeded, or ended while it ran, unfailed."""
    ended = states[-1]
    if ended == "succeeded":
        return True
    return ended in ("cancelled", "refused") and states[-2] == "running"


def _counted(conn: Connection) -> Counter[Day]:
    counted: Counter[Day] = Counter()
    rows = conn.execute("SELECT account_id, month::text, used FROM quota_months").fetchall()
    for account, month, used in rows:
        for day, operations in used.items():
            jobs = sum(count for count, _ in operations.values())
            counted[account, f"{month[:8]}{int(day):02}"] += jobs
    return counted


def facts_are_what_happened(conn: Connection) -> Iterator[str]:
    """Facts of admission and results are counted with what they tell of: once."""
    told = conn.execute(
        "SELECT subject, sum(jobs), sum(over_limit), sum(succeeded), sum(failed),"
        " sum(content_refused) FROM facts WHERE kind = 'account' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    happened = conn.execute(
        "SELECT account_id, count(*),"
        " count(*) FILTER (WHERE code IN ('quota_exceeded', 'queue_full')),"
        " count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),"
        " count(*) FILTER (WHERE state = 'refused') FROM jobs GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if told != happened:
        yield f"facts: {told} are told, and {happened} happened"
