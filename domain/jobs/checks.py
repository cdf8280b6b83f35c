"""Do jobs agree with their own history, and does what must move move? Reading only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from domain.jobs.moves import MOVES
from schemas.ids import JobId

_PAGE: Final = 5000


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a job breaks: the rule's name, the job, and what was found."""

    rule: str
    job_id: JobId
    detail: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What money and identity must agree with. `was_queued`: it ever stood in the line."""

    seq: int
    id: JobId
    account_id: str
    origin: str
    state: str
    amount: int | None
    unit: str | None
    ended_at: datetime | None
    retry_of: JobId | None
    retried_ended_at: datetime | None
    bucket: str
    source_key: str
    source_etag: str
    mask_etag: str | None
    was_queued: bool


# Versions of a job count 1, 2, 3 … and each step is a legal move; only a dispatch begins an
# attempt. The last step is where the job stands.
_HISTORY: Final = """
WITH steps AS (
    SELECT
        job_id, version, state, attempt, by,
        lag(version, 1, 0) OVER history AS version_before,
        lag(state, 1, '') OVER history AS state_before,
        lag(attempt, 1, 0) OVER history AS attempt_before
    FROM transitions
    WINDOW history AS (PARTITION BY job_id ORDER BY version)
),
legal AS (
    SELECT * FROM unnest(%(before)s::text[], %(after)s::text[], %(by)s::text[])
        AS moves (state_before, state, by)
)
SELECT
    'transition_missing' AS rule, job_id,
    format('version %%s comes after %%s', version, version_before) AS detail
FROM steps WHERE version <> version_before + 1
UNION ALL
SELECT
    'transition_illegal', job_id,
    format('version %%s: from %%s to %%s by %%s', version,
        coalesce(nullif(state_before, ''), 'nothing'), state, by)
FROM steps
WHERE version = version_before + 1
AND NOT EXISTS (
    SELECT FROM legal
    WHERE (legal.state_before, legal.state, legal.by)
        = (steps.state_before, steps.state, steps.by)
)
UNION ALL
SELECT
    'attempt_illegal', job_id,
    format('version %%s: %%s in attempt %%s, after attempt %%s', version, state, attempt,
        attempt_before)
FROM steps
WHERE version = version_before + 1
AND attempt <> attempt_before + CASE state WHEN 'dispatched' THEN 1 ELSE 0 END
UNION ALL
SELECT
    'state_contradicts_history', jobs.id,
    format('the job is %%s at version %%s in attempt %%s; its last transition is %%s', state,
        version, attempt, coalesce(last.told, 'not there'))
FROM jobs
LEFT JOIN LATERAL (
    SELECT
        (t.version, t.state, t.attempt, t.code) AS step,
        format('%%s at version %%s in attempt %%s', t.state, t.version, t.attempt) AS told
    FROM transitions t WHERE t.job_id = jobs.id ORDER BY t.version DESC LIMIT 1
) last ON true
WHERE last.step IS DISTINCT FROM (jobs.version, jobs.state, jobs.attempt, jobs.code)
ORDER BY 1, 2
"""


def history(conn: Connection) -> list[Broken]:
    """Return the jobs whose transitions have gaps, are illegal, or do not lead to their state.

    One statement, so one view of all; reads every transition.
    """
    moves = sorted((before or "", after, by) for before, after, by in MOVES)
    with conn.cursor(row_factory=class_row(Broken)) as cursor:
        return cursor.execute(
            _HISTORY,
            {
                "before": [before for before, _, _ in moves],
                "after": [after for _, after, _ in moves],
                "by": [by for _, _, by in moves],
            },
        ).fetchall()


def terms(conn: Connection) -> Iterator[list[Terms]]:
    """Yield what is to agree of every job, a page at a time, in the order they came."""
    after = 0
    while True:
        with conn.cursor(row_factory=class_row(Terms)) as cursor:
            page = cursor.execute(
                "SELECT j.seq, j.id, j.account_id, j.origin, j.state, j.amount, j.unit,"
                " j.ended_at, j.retry_of, old.ended_at AS retried_ended_at,"
                " j.bucket, j.source_key, j.source_etag, j.mask_etag,"
                " EXISTS (SELECT FROM transitions t"
                "  WHERE t.job_id = j.id AND t.state = 'queued') AS was_queued"
                " FROM jobs j LEFT JOIN jobs old ON old.id = j.retry_of"
                " WHERE j.seq > %s ORDER BY j.seq LIMIT %s",
                (after, _PAGE),
            ).fetchall()
        if not page:
            return
        yield page
        after = page[-1].seq


def overdue(conn: Connection, *, before: datetime) -> list[Broken]:
    """Return the running jobs whose lease, and the waiting ones whose time, ended before that."""
    with conn.cursor(row_factory=class_row(Broken)) as cursor:
        return cursor.execute(
            "SELECT 'lease_over' AS rule, id AS job_id,"
            " format('run by %%s, whose lease ended at %%s', worker, lease_until) AS detail"
            " FROM jobs WHERE state = 'running' AND lease_until < %(before)s"
            " UNION ALL"
            " SELECT 'expired_waiting', id, format('%%s, though it expired at %%s', state,"
            "  expires_at) FROM jobs"
            " WHERE state IN ('queued', 'review', 'dispatched') AND expires_at < %(before)s"
            " ORDER BY 1, 2",
            {"before": before},
        ).fetchall()
