"""Jobs: asked for, looked at, cancelled, tried again."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.status import HTTP_200_OK, HTTP_202_ACCEPTED

from api.access import Access, Caller
from api.bodies import read_json
from api.cursor import decode_cursor, encode_cursor
from api.documented import CALLED, REFUSALS, Responses, json_body, order_body, problems
from api.errors import NotFoundError, wrong_field
from api.headers import Language, WaitSeconds, check_idempotency_key
from api.measured import trace_taken
from api.orders import read_order
from api.presenting import present
from api.submission import check_expiry, submit_order
from api.visits import still_waits
from domain.jobs import read
from domain.jobs.model import Job
from domain.jobs.place import Place
from domain.jobs.read import JobFilter
from domain.jobs.reorder import JobNotWaitingError, reorder
from domain.pipeline.cancel import cancel
from domain.pipeline.place import place_of
from domain.pipeline.submit import submit_retry
from infra import tracing
from schemas.api import JobChange, JobList, JobSummary, JobView, Text
from schemas.errors import ErrorCode
from schemas.states import TERMINAL, Actor, JobState
from schemas.texts import Locale

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_LARGEST_PAGE: Final = 200
_LONGEST_PREFIX: Final = 1024

_ACCEPTED: Final[Responses] = {
    HTTP_200_OK: {"model": JobView, "description": "The job has ended"},
    HTTP_202_ACCEPTED: {"model": JobView, "description": "The job is under way"},
}
_MINE: Final = problems(*CALLED, ErrorCode.NOT_FOUND)

SourcePrefix = Annotated[
    Text,
    Query(max_length=_LONGEST_PREFIX, description="How the key of the source begins: in/…"),
]


@router.post(
    "",
    status_code=HTTP_202_ACCEPTED,
    responses={
        **_ACCEPTED,
        **problems(
            *CALLED,
            *REFUSALS,
            ErrorCode.REQUEST_INVALID,
            ErrorCode.PARAMETERS_INVALID,
            ErrorCode.IDEMPOTENCY_KEY_MISSING,
            ErrorCode.IDEMPOTENCY_CONFLICT,
            ErrorCode.UPLOAD_MISSING,
        ),
    },
    openapi_extra=order_body(),
)
async def create_job(
    *,
    request: Request,
    response: Response,
    caller: Caller,
    wait: WaitSeconds,
    locale: Language,
    idempotency_key: Annotated[
        str | None, Header(description="Required. The same key and request: the same job")
    ] = None,
) -> JobView:
    """Take a picture to be restored, by upload id or as a file in a form.

    A request that is refused leaves nothing behind, and its key may be used again.
    """
    begun_ns = tracing.now_ns()
    key = check_idempotency_key(idempotency_key)
    most = caller.services.settings.max_image_bytes
    async with read_order(request, max_file_bytes=most) as order:
        job = await to_thread.run_sync(
            partial(submit_order, caller, order, idempotency_key=key),
            limiter=caller.services.submissions,
        )
    trace_taken(job, request.headers, route="/v1/jobs", begun_ns=begun_ns)
    return await _accepted(caller, job, wait, locale, response)


@router.get("", responses=problems(*CALLED, ErrorCode.REQUEST_INVALID))
def list_jobs(
    *,
    caller: Caller,
    locale: Language,
    source_prefix: SourcePrefix = "",
    state: Annotated[list[JobState] | None, Query(description="One or several")] = None,
    code: Annotated[list[ErrorCode] | None, Query(description="One or several")] = None,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobList:
    """List jobs, newest first, a page at a time."""
    wanted = JobFilter(state or (), code or (), source_prefix)
    before = _before(cursor)
    with caller.session() as session:
        found = read.page(
            session.conn, session.account.id, wanted, before_seq=before, limit=limit + 1
        )
    shown = found[:limit]
    return JobList(
        jobs=tuple(present(job, locale, caller.services) for job in shown),
        next_cursor=encode_cursor(shown[-1].seq) if len(found) > limit else None,
    )


@router.get("/summary", responses=problems(*CALLED, ErrorCode.REQUEST_INVALID))
def summarise_jobs(caller: Caller, source_prefix: SourcePrefix = "") -> JobSummary:
    """Count jobs by state, and by code those that ended without a result."""
    with caller.session() as session:
        counts = read.counts(session.conn, session.account.id, source_prefix)
    return JobSummary(
        total=sum(counts.by_state.values()), by_state=counts.by_state, by_code=counts.by_code
    )


@router.get("/{job_id}", responses=_MINE)
async def read_job(
    *,
    job_id: str,
    request: Request,
    response: Response,
    caller: Caller,
    wait: WaitSeconds,
    locale: Language,
) -> JobView:
    """Return a job as it stands or, with `Prefer: wait=N`, as it has ended."""
    job = await run_in_threadpool(_own_job, caller, job_id)
    job = await _waited(caller, job, wait, response)
    if job.state not in TERMINAL:
        still_waits(request)
    place = None
    if job.state is JobState.QUEUED:
        job, place = await run_in_threadpool(_placed, caller, job_id)
    return present(job, locale, caller.services, place=place)


@router.patch(
    "/{job_id}",
    responses={**_MINE, **problems(ErrorCode.REQUEST_INVALID, ErrorCode.JOB_NOT_WAITING)},
    openapi_extra=json_body(JobChange, required=True),
)
async def change_job(request: Request, job_id: str, caller: Caller, locale: Language) -> JobView:
    """Change the priority of a job that waits, or when it is given up."""
    asked = await read_json(request, JobChange)
    return await run_in_threadpool(_change, caller, job_id, asked, locale)


@router.post("/{job_id}/cancel", responses={**_MINE, **problems(ErrorCode.JOB_ENDED)})
def cancel_job(job_id: str, caller: Caller, locale: Language) -> JobView:
    """Cancel a job: one that waits ends at once, one that runs is asked to stop.

    It is free unless it succeeds all the same.
    """
    with caller.session() as session:
        own = read.of_account(session.conn, session.account.id, job_id)
        job = own and cancel(session.conn, own.id, by=Actor.CLIENT, clock=caller.services.clock)
    if job is None:
        raise _no_job(job_id)
    return present(job, locale, caller.services)


@router.post(
    "/{job_id}/retry",
    status_code=HTTP_202_ACCEPTED,
    responses={**_ACCEPTED, **_MINE, **problems(ErrorCode.JOB_NOT_RETRYABLE, *REFUSALS, *CALLED)},
)
async def retry_job(
    *,
    job_id: str,
    request: Request,
    response: Response,
    caller: Caller,
    wait: WaitSeconds,
    locale: Language,
) -> JobView:
    """Try an ended job again, as a new job under today's terms; asked twice, the same one."""
    begun_ns = tracing.now_ns()
    job = await run_in_threadpool(_retry, caller, job_id)
    trace_taken(job, request.headers, route="/v1/jobs/{job_id}/retry", begun_ns=begun_ns)
    return await _accepted(caller, job, wait, locale, response)


def _own_job(caller: Access, job_id: str) -> Job:
    with caller.session() as session:
        job = read.of_account(session.conn, session.account.id, job_id)
    if job is None:
        raise _no_job(job_id)
    return job


def _placed(caller: Access, job_id: str) -> tuple[Job, Place | None]:
    """Return a job with its place, both of one moment."""
    with caller.session() as session:
        job = read.of_account(session.conn, session.account.id, job_id)
        if job is None:
            raise _no_job(job_id)
        return job, place_of(session.conn, job, clock=caller.services.clock)


def _change(caller: Access, job_id: str, asked: JobChange, locale: Locale) -> JobView:
    with caller.session() as session:
        own = read.of_account(session.conn, session.account.id, job_id)
        if own is None:
            raise _no_job(job_id)
        if asked.expires_at is not None:
            check_expiry(caller.services, asked.expires_at, since=own.admitted_at)
        job = reorder(session.conn, own.id, priority=asked.priority, expires_at=asked.expires_at)
        if job is None:
            raise JobNotWaitingError(read.of_account(session.conn, own.account_id, own.id) or own)
        place = place_of(session.conn, job, clock=caller.services.clock)
    return present(job, locale, caller.services, place=place)


def _retry(caller: Access, job_id: str) -> Job:
    lifetime = timedelta(days=caller.services.settings.job_lifetime_days)
    with caller.session() as session:
        old = read.of_account(session.conn, session.account.id, job_id)
        if old is None:
            raise _no_job(job_id)
        return submit_retry(session.conn, old, clock=caller.services.clock, lifetime=lifetime)


async def _accepted(
    caller: Access, job: Job, wait: int, locale: Locale, response: Response
) -> JobView:
    job = await _waited(caller, job, wait, response)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.status_code = HTTP_200_OK if job.state in TERMINAL else HTTP_202_ACCEPTED
    return present(job, locale, caller.services)


async def _waited(caller: Access, job: Job, wait: int, response: Response) -> Job:
    """Return the job once it has ended, or as it stands after `wait` seconds."""
    if wait == 0:
        return job
    if job.state not in TERMINAL:
        if not await caller.services.ended.wait(job.id, wait):
            return job
        job = await run_in_threadpool(_own_job, caller, job.id)
    response.headers["Preference-Applied"] = f"wait={wait}"
    return job


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        return decode_cursor(cursor)
    except ValueError as error:
        raise wrong_field("cursor", str(error)) from error


def _no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"this account has no job {job_id[:64]!r}")
