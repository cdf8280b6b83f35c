"""Every error as a problem of RFC 9457: the one place where errors get their code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, Route

from api.errors import ApiError, RateLimitedError
from api.rate_headers import whole_seconds
from api.services import services_of
from api.visits import refused, told_limits
from domain.jobs.model import Job
from domain.jobs.reorder import JobNotWaitingError
from domain.pipeline.cancel import JobEndedError
from domain.pipeline.retry import NotRetryableError
from domain.pipeline.submit import IdempotencyConflictError, RefusedError
from infra import logs, metrics
from infra.stored_objects import StoreError
from schemas.decisions import LimitReached
from schemas.errors import ErrorCode, http_status
from schemas.problems import MEDIA_TYPE, FieldError, problem
from schemas.texts import negotiate

_LOG = logs.logger("api")
_RETRY_AFTER_S: Final = 2


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of an error."""

    code: ErrorCode
    detail: str
    errors: tuple[FieldError, ...] = ()
    members: Mapping[str, JsonValue] = field(default_factory=dict)
    retry: int | datetime | None = None
    """When to try again: after so many seconds, or from a time on."""


def told(error: Exception) -> Told:
    """Return what to tell of an error. What is not known here is an internal error."""
    match error:
        case RateLimitedError():
            return Told(error.code, error.detail, retry=error.retry_after_s)
        case ApiError():
            return Told(error.code, error.detail, error.errors, error.members)
        case (
            RefusedError()
            | IdempotencyConflictError()
            | JobEndedError()
            | JobNotWaitingError()
            | NotRetryableError()
        ):
            return _refused(error)
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _http(error)
        case ClientDisconnect():
            return Told(ErrorCode.REQUEST_INVALID, "the connection ended before the request did")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Told(ErrorCode.SERVICE_UNAVAILABLE, "the database does not answer")
        case StoreError():
            return Told(ErrorCode.SERVICE_UNAVAILABLE, "the object store does not answer")
        case _:
            return Told(ErrorCode.INTERNAL_ERROR, "the request could not be carried out")


def respond(request: Request, error: Exception, routes: Sequence[BaseRoute]) -> Response:
    """Return the answer to a request that ended in an error, in the language it asks for.

    `routes` are those of the application, of which an answer of 405 tells the methods.
    """
    what = told(error)
    metrics.API_REFUSALS.labels(what.code).inc()
    if isinstance(error, RefusedError) and error.limit is not None:
        metrics.QUOTA_REFUSALS.labels(error.limit.quota).inc()
    refused(request, what.code)
    locale = negotiate(request.headers.get("accept-language"))
    body = problem(
        what.code,
        detail=what.detail,
        instance=request.url.path,
        locale=locale,
        errors=what.errors,
        **what.members,
    )
    if body.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.warning("request_failed", code=what.code, path=request.url.path, error=repr(error))
    return Response(
        body.encode(),
        status_code=body.status,
        media_type=MEDIA_TYPE,
        headers={"Content-Language": locale.tag, "Vary": "Accept-Language"}
        | told_limits(request)
        | _headers(request, what, routes),
    )


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Let every error of an application be answered with a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        return respond(request, error, routes)

    for kind in (
        ApiError,
        RefusedError,
        IdempotencyConflictError,
        JobEndedError,
        JobNotWaitingError,
        NotRetryableError,
        RequestValidationError,
        HTTPException,
        ClientDisconnect,
        psycopg.OperationalError,
        psycopg.InterfaceError,
        StoreError,
        Exception,
    ):
        app.add_exception_handler(kind, handle)


def _headers(request: Request, what: Told, routes: Sequence[BaseRoute]) -> dict[str, str]:
    headers: dict[str, str] = {}
    code = what.code
    if code is ErrorCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="picmend"'
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request, routes))
    if http_status(code) == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    match what.retry:
        case int(seconds):
            headers["Retry-After"] = str(seconds)
        case datetime() as at:
            left = at - services_of(request.app).clock.now()
            headers["Retry-After"] = str(max(1, whole_seconds(left)))
    return headers


def _allowed(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """Return the methods of every route with this path; Starlette names the first's alone."""
    methods: set[str] = set()
    for route in routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE and isinstance(route, Route):
            methods |= route.methods or set()
    return sorted(methods)


def _refused(
    error: RefusedError
    | IdempotencyConflictError
    | JobEndedError
    | JobNotWaitingError
    | NotRetryableError,
) -> Told:
    match error:
        case RefusedError(limit=LimitReached() as limit):
            reached: dict[str, JsonValue] = {"limit": limit.model_dump(mode="json")}
            return Told(error.code, error.detail, members=reached, retry=limit.resets_at)
        case RefusedError():
            return Told(error.code, error.detail)
        case IdempotencyConflictError():
            return Told(ErrorCode.IDEMPOTENCY_CONFLICT, str(error))
        case JobEndedError():
            return Told(ErrorCode.JOB_ENDED, str(error), members=_standing(error.job))
        case JobNotWaitingError():
            return Told(ErrorCode.JOB_NOT_WAITING, str(error), members=_standing(error.job))
        case NotRetryableError():
            return Told(ErrorCode.JOB_NOT_RETRYABLE, str(error))


def _standing(job: Job) -> dict[str, JsonValue]:
    return {"job_id": job.id, "state": job.state}


def _invalid(error: RequestValidationError) -> Told:
    errors = tuple(
        FieldError(
            # The first part says where it stands: path, query, header.
            field=".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0]),
            message=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors()
    )
    detail = "; ".join(f"{e.field}: {e.message}" for e in errors)
    return Told(ErrorCode.REQUEST_INVALID, detail, errors)


def _http(error: HTTPException) -> Told:
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return Told(ErrorCode.NOT_FOUND, "there is nothing at this address")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return Told(ErrorCode.METHOD_NOT_ALLOWED, "this address does not take that method")
        case _ if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Told(ErrorCode.REQUEST_INVALID, str(error.detail))
        case _:
            return Told(ErrorCode.INTERNAL_ERROR, "the request could not be carried out")
