"""Jobs as the API shows them."""

from datetime import timedelta
from typing import Final

from api.services import Services
from domain.jobs.model import Header, Job, Result
from domain.jobs.place import Place
from schemas.api import JobPlace, JobPrice, JobProblem, JobResult, JobSource, JobTimes, JobView
from schemas.problems import wording
from schemas.states import TERMINAL, JobState
from schemas.texts import Locale

RESULT_LINK: Final = timedelta(hours=1)


def present(job: Job, locale: Locale, services: Services, *, place: Place | None = None) -> JobView:
    """Return a job as its account sees it, with a fresh link when it has a result."""
    return JobView(
        id=job.id,
        state=job.state,
        version=job.version,
        origin=job.origin,
        preset=job.preset,
        operation=job.operation,
        parameters=job.parameters,
        source=_source(job, job.header),
        price=_price(job),
        times=JobTimes(
            requested_at=job.requested_at,
            admitted_at=job.admitted_at,
            expires_at=job.expires_at,
            dispatched_at=job.dispatched_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
        ),
        cancel_requested=job.cancel_requested,
        retry_of=job.retry_of,
        priority=job.priority,
        queue=_queue(place) if place else None,
        problem=_problem(job, locale),
        limit=job.limit,
        result=_result(job.result, services) if job.result else None,
    )


def _queue(place: Place) -> JobPlace:
    return JobPlace(
        position=place.position,
        at_least=place.at_least,
        estimated_start_at=place.estimated_start,
    )


def _source(job: Job, header: Header | None) -> JobSource:
    return JobSource(
        key=job.source.key,
        size=job.source_bytes,
        format=header.format if header else None,
        width=header.width if header else None,
        height=header.height if header else None,
    )


def _price(job: Job) -> JobPrice | None:
    if job.amount is None or job.unit is None:
        return None
    if job.state not in TERMINAL:
        charged = None
    else:
        charged = job.amount if job.state is JobState.SUCCEEDED else 0
    return JobPrice(amount=job.amount, unit=job.unit, charged=charged)


def _problem(job: Job, locale: Locale) -> JobProblem | None:
    if job.code is None:
        return None
    words = wording(job.code, locale)
    return JobProblem(code=job.code, title=words.title, detail=job.detail, remedy=words.remedy)


def _result(result: Result, services: Services) -> JobResult:
    # The expiry told is never later than the link's own, which counts from the next second.
    expires_at = services.clock.now() + RESULT_LINK
    return JobResult(
        key=result.key,
        url=services.store.presigned_get(result.key, RESULT_LINK),
        url_expires_at=expires_at,
        media_type=result.media_type,
        size=result.size,
        etag=result.etag,
        width=result.width,
        height=result.height,
    )
