"""Which files ended jobs must have in the object store. Reading only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from schemas.ids import JobId

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class EndedFiles:
    """One ended job. `result_key` and `result_etag` are those of a job that succeeded."""

    seq: int
    job_id: JobId
    origin: str
    state: str
    source_key: str
    result_key: str | None
    result_etag: str | None
    ended_at: datetime


def ended(conn: Connection, *, before: datetime) -> Iterator[list[EndedFiles]]:
    """Yield the jobs that ended before that, the newest first, a page at a time."""
    at: int | None = None
    while True:
        with conn.cursor(row_factory=class_row(EndedFiles)) as cursor:
            page = cursor.execute(
                "SELECT seq, id AS job_id, origin, state, source_key, result_key, result_etag,"
                " ended_at FROM jobs WHERE ended_at < %(before)s"
                " AND (%(at)s::bigint IS NULL OR seq < %(at)s) ORDER BY seq DESC LIMIT %(limit)s",
                {"before": before, "at": at, "limit": _PAGE},
            ).fetchall()
        if not page:
            return
        yield page
        at = page[-1].seq
