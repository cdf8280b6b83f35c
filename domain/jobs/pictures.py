"""Whether pictures were sent before, told by the ETag of their objects."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from schemas.ids import JobId


@dataclass(frozen=True, slots=True)
class Before:
    """Who has sent the same bytes before, under another key: the account itself, others."""

    own: bool
    others: bool


def seen_before(conn: Connection, job_ids: Sequence[JobId]) -> dict[JobId, Before]:
    """Return of jobs whose picture was sent before, by whom. A retry is no sending.

    Reads an index entry or two per job, more where a picture was retried.
    """
    rows = conn.execute(
        "SELECT id, own, others FROM (SELECT j.id,"
        " EXISTS (SELECT FROM jobs o WHERE o.source_etag = j.source_etag"
        "  AND o.account_id = j.account_id AND o.seq < j.seq AND o.source_key <> j.source_key)"
        "  AS own,"
        " EXISTS (SELECT FROM jobs o WHERE o.source_etag = j.source_etag"
        "  AND o.account_id < j.account_id AND o.seq < j.seq)"
        " OR EXISTS (SELECT FROM jobs o WHERE o.source_etag = j.source_etag"
        "  AND o.account_id > j.account_id AND o.seq < j.seq) AS others"
        " FROM jobs j WHERE j.id = ANY(%s)) seen WHERE own OR others",
        (list(job_ids),),
    ).fetchall()
    return {JobId(job): Before(own, others) for job, own, others in rows}
