import psycopg
import pytest
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from api.errors import (
    BodyTooLargeError,
    IdempotencyKeyMissingError,
    NotFoundError,
    NotReadyError,
    UnauthenticatedError,
    UploadMissingError,
    field_errors,
    wrong_field,
)
from api.problems import told
from domain.pipeline.retry import NotRetryableError
from domain.pipeline.submit import IdempotencyConflictError, RefusedError
from infra.stored_objects import AccessDenied, StoreUnavailable
from schemas.api import JobRequest
from schemas.errors import ErrorCode, http_status


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (UnauthenticatedError("x"), ErrorCode.UNAUTHENTICATED, 401),
        (NotFoundError("x"), ErrorCode.NOT_FOUND, 404),
        (wrong_field("a", "b"), ErrorCode.REQUEST_INVALID, 422),
        (IdempotencyKeyMissingError("x"), ErrorCode.IDEMPOTENCY_KEY_MISSING, 400),
        (UploadMissingError("x"), ErrorCode.UPLOAD_MISSING, 422),
        (BodyTooLargeError("x"), ErrorCode.FILE_TOO_LARGE, 413),
        (NotReadyError("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (
            RefusedError(ErrorCode.INSUFFICIENT_BALANCE, "x"),
            ErrorCode.INSUFFICIENT_BALANCE,
            402,
        ),
        (IdempotencyConflictError("x"), ErrorCode.IDEMPOTENCY_CONFLICT, 422),
        (NotRetryableError("x"), ErrorCode.JOB_NOT_RETRYABLE, 409),
        (HTTPException(404), ErrorCode.NOT_FOUND, 404),
        (HTTPException(405), ErrorCode.METHOD_NOT_ALLOWED, 405),
        (HTTPException(400), ErrorCode.REQUEST_INVALID, 422),
        (psycopg.OperationalError("host db1 is away"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (psycopg.errors.DeadlockDetected("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (psycopg.InterfaceError("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (PoolTimeout("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (StoreUnavailable("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (AccessDenied("x"), ErrorCode.SERVICE_UNAVAILABLE, 503),
        (psycopg.errors.UndefinedColumn("x"), ErrorCode.INTERNAL_ERROR, 500),
        (ZeroDivisionError("secret"), ErrorCode.INTERNAL_ERROR, 500),
    ],
)
def test_each_error_has_its_code_and_status(error: Exception, code: ErrorCode, status: int) -> None:
    assert told(error).code is code
    assert http_status(code) == status


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("host db1"), StoreUnavailable("host db1"), ValueError("host db1")],
)
def test_what_is_inside_is_not_told(error: Exception) -> None:
    assert "db1" not in told(error).detail


def test_findings_of_fastapi_are_named_without_the_place_they_stand_in() -> None:
    found = {"type": "int_parsing", "loc": ("query", "limit"), "msg": "not a number", "input": "x"}

    what = told(RequestValidationError([found]))

    assert what.code is ErrorCode.REQUEST_INVALID
    assert [(e.field, e.message) for e in what.errors] == [("limit", "not a number")]


def test_a_field_is_named_by_its_whole_path() -> None:
    class Inner(BaseModel):
        count: int

    class Outer(BaseModel):
        inner: list[Inner]

    with pytest.raises(ValidationError) as wrong:
        Outer.model_validate({"inner": [{"count": "many"}]})

    assert [e.field for e in field_errors(wrong.value, under=["body"])] == ["body.inner.0.count"]


def test_what_concerns_the_whole_body_says_so() -> None:
    with pytest.raises(ValidationError) as wrong:
        JobRequest.model_validate({"upload_id": "upl_" + "a" * 32})

    assert [(e.field, e.message) for e in field_errors(wrong.value)] == [
        ("body", "name either a preset or an operation")
    ]
