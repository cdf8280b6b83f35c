"""Whether pictures were sent before, told by the ETag of their objects, or by their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from schemas.ids import JobId


@dataclass(frozen=True, slots=True)
class Before:
    """Who has sent the same bytes before: the account itself, others."""

    own: bool
    others: bool


def seen_before(conn: Connection, job_ids: Sequence[JobId]) -> dict[JobId, Before]:
    """Return of jobs whose picture was sent before, by whom: under another key. A retry is none.

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


def seen_under_another_etag(conn: Connection, job_ids: Sequence[JobId]) -> dict[JobId, Before]:
    """Return of jobs whose bytes were read before under other ETags alone, by whom.

    An ETag is of an upload's parts, too. Asked for jobs when their bytes have been read: of two
    with the same bytes the one that is asked for last was not the first.
    """
    own = _under_another_etag("=")
    others = f"{_under_another_etag('<')} OR {_under_another_etag('>')}"
    # Asked first, since it keeps the other question from reading all of a much-sent picture.
    own_etag = _EARLIER_ETAG.format(than="=")
    others_etag = f"{_EARLIER_ETAG.format(than='<')} OR {_EARLIER_ETAG.format(than='>')}"
    rows = conn.execute(
        "SELECT id, own, others FROM (SELECT j.id,"
        f" NOT {own_etag} AND {own} AS own,"
        f" NOT ({others_etag}) AND ({others}) AS others"
        " FROM jobs j WHERE j.id = ANY(%(jobs)s) AND j.source_sha256 IS NOT NULL) seen"
        " WHERE own OR others",
        {"jobs": list(job_ids)},
    ).fetchall()
    return {JobId(job): Before(own, others) for job, own, others in rows}


_EARLIER_ETAG: Final = (
    "EXISTS (SELECT FROM jobs o WHERE o.source_etag = j.source_etag"
    " AND o.account_id {than} j.account_id AND o.seq < j.seq)"
)


def _under_another_etag(than: str) -> str:
    return (
        "EXISTS (SELECT FROM jobs o WHERE o.source_sha256 = j.source_sha256"
        f" AND o.account_id {than} j.account_id AND o.source_etag <> j.source_etag"
        " AND (o.seq < j.seq OR o.id <> ALL(%(jobs)s)))"
    )
