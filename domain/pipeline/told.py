"""What admission and results tell as facts, for the rules against misuse."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.admission import facts_store
from domain.admission.bad_files import is_broken, is_hostile
from domain.admission.facts import Facts, Source, Subject, SubjectKind, bucket_of, total
from domain.jobs import pictures
from domain.jobs.model import Job
from schemas.errors import ErrorCode
from schemas.states import JobState

_LIMITS: Final = frozenset({ErrorCode.QUOTA_EXCEEDED, ErrorCode.QUEUE_FULL})


def decided(conn: Connection, jobs: Sequence[Job]) -> None:
    """Count jobs that this transaction has decided, by the minute of their event time."""
    seen = pictures.seen_before(conn, [job.id for job in jobs if job.header is not None])
    _add(
        conn,
        Source.ADMISSION,
        (
            (
                job,
                job.requested_at,
                Facts(
                    jobs=1,
                    pixels=job.header.pixels if job.header else 0,
                    rejected=int(job.state is JobState.REJECTED),
                    over_limit=int(job.code in _LIMITS),
                    broken=int(is_broken(job.code, job.source.key)),
                    hostile=int(is_hostile(job.code, job.source.key)),
                    repeated=int(job.id in seen and seen[job.id].own),
                    shared=int(job.id in seen and seen[job.id].others),
                ),
            )
            for job in jobs
        ),
    )


def ended(conn: Connection, jobs: Iterable[Job], *, at: datetime) -> None:
    """Count jobs that this transaction has ended after work on them, by the minute of `at`."""
    worked = [job for job in jobs if job.state in _OF_WORK]
    seen = pictures.seen_under_another_etag(
        conn, [job.id for job in worked if job.source_sha256 is not None]
    )
    _add(
        conn,
        Source.RESULTS,
        (
            (
                job,
                at,
                Facts(
                    succeeded=int(job.state is JobState.SUCCEEDED),
                    failed=int(job.state is JobState.FAILED),
                    content_refused=int(job.state is JobState.REFUSED),
                    broken=int(is_broken(job.code, job.source.key)),
                    hostile=int(is_hostile(job.code, job.source.key)),
                    repeated=int(job.id in seen and seen[job.id].own),
                    shared=int(job.id in seen and seen[job.id].others),
                ),
            )
            for job in worked
        ),
    )


_OF_WORK: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.REFUSED})


def _add(conn: Connection, source: Source, counted: Iterable[tuple[Job, datetime, Facts]]) -> None:
    told: dict[tuple[Subject, datetime], list[Facts]] = {}
    for job, at, facts in counted:
        key = (Subject(SubjectKind.ACCOUNT, job.account_id), bucket_of(at))
        told.setdefault(key, []).append(facts)
    facts_store.add(conn, source, {key: total(many) for key, many in told.items()})
