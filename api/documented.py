"""What the OpenAPI description says that FastAPI cannot know: problems, and bodies read here."""

from collections import defaultdict
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.api import JobChange, JobRequest, UploadRequest, WorkWanted
from schemas.errors import ErrorCode, http_status
from schemas.problems import MEDIA_TYPE, Problem

_SCHEMAS: Final = "#/components/schemas/"
_OUTSIDE: Final[tuple[type[BaseModel], ...]] = (
    Problem,
    UploadRequest,
    JobRequest,
    JobChange,
    WorkWanted,
)

ALWAYS: Final = (ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.INTERNAL_ERROR)
"""What any request may meet that needs a server."""

CALLED: Final = (ErrorCode.UNAUTHENTICATED, ErrorCode.RATE_LIMITED, *ALWAYS)
"""What any request with an API key may meet."""

REFUSALS: Final = (
    ErrorCode.ACCOUNT_SUSPENDED,
    ErrorCode.OPERATION_SUSPENDED,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.QUEUE_FULL,
    ErrorCode.INSUFFICIENT_BALANCE,
    ErrorCode.PRESET_UNKNOWN,
    ErrorCode.EMPTY_OBJECT,
    ErrorCode.FILE_TOO_LARGE,
    ErrorCode.IMAGE_TOO_LARGE,
    ErrorCode.UNSUPPORTED_FORMAT,
    ErrorCode.UNREADABLE_IMAGE,
    ErrorCode.TRUNCATED_IMAGE,
    ErrorCode.MASK_MISSING,
    ErrorCode.ALPHA_MISSING,
    ErrorCode.PRICE_MISSING,
    ErrorCode.SOURCE_CHANGED,
)
"""Why a job may not be taken."""

Responses = dict[int | str, dict[str, Any]]
"""FastAPI's own type of a route's `responses`."""


def problems(*codes: ErrorCode) -> Responses:
    """Return the descriptions of the problems that an endpoint answers with, by status."""
    by_status: defaultdict[int, list[ErrorCode]] = defaultdict(list)
    for code in codes:
        by_status[http_status(code)].append(code)
    return {
        status: {
            "description": "Problem: " + ", ".join(f"`{code}`" for code in of_status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS + "Problem"}}},
        }
        for status, of_status in sorted(by_status.items())
    }


def json_body(model: type[BaseModel], *, required: bool) -> dict[str, Any]:
    """Return the description of a JSON body that the endpoint reads by itself."""
    return {
        "requestBody": {
            "required": required,
            "content": {"application/json": {"schema": {"$ref": _SCHEMAS + model.__name__}}},
        }
    }


def order_body() -> dict[str, Any]:
    """Return the description of the body of a new job, in its two forms."""
    files = {
        "image": {"type": "string", "format": "binary"},
        "mask": {
            "type": "string",
            "format": "binary",
            "description": "A second picture of the same size: white is filled",
        },
    }
    form = {
        "allOf": [
            {"$ref": _SCHEMAS + WorkWanted.__name__},
            {"type": "object", "properties": files, "required": ["image"]},
        ],
        "description": "`parameters` is a field that holds a JSON object",
    }
    described = json_body(JobRequest, required=True)
    described["requestBody"]["content"]["multipart/form-data"] = {"schema": form}
    return described


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    document = get_openapi(
        title="picmend",
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    _, outside = models_json_schema(
        [(model, "validation") for model in _OUTSIDE], ref_template=_SCHEMAS + "{model}"
    )
    schemas = document["components"]["schemas"]
    for never_sent in ("HTTPValidationError", "ValidationError"):
        schemas.pop(never_sent, None)
    for operation in (o for path in document["paths"].values() for o in path.values()):
        # FastAPI's own 422, on endpoints whose parameters are free texts and cannot be wrong.
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            del operation["responses"]["422"]
        _tell_headers(operation)
    document["components"]["schemas"] = dict(sorted({**schemas, **outside["$defs"]}.items()))
    return document


def _tell_headers(operation: dict[str, Any]) -> None:
    """Add the headers by which limits are told: of every answer to a request with a key."""
    for status, response in operation["responses"].items():
        headers = dict(_RATE_HEADERS) if "security" in operation else {}
        if status in _COME_AGAIN:
            headers |= _RETRY_AFTER
        if headers:
            response["headers"] = headers


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_RATE_HEADERS: Final = {
    "RateLimit-Policy": _header(
        "How many requests may come at once, and in how many seconds so many come back:"
        ' `"default";q=100;w=2`. Absent where nothing is limited',
        "string",
    ),
    "RateLimit": _header(
        'How many may come now, and in how many seconds more may: `"default";r=97;t=1`', "string"
    ),
}
_RETRY_AFTER: Final = {
    "Retry-After": _header("Seconds to wait, where it is known how many", "integer")
}
_COME_AGAIN: Final = frozenset({"429", "503"})

_DESCRIPTION: Final = """\
Restores pictures: enlarges them, fills what is missing.

Every error is a problem of RFC 9457 with a stable `code`; `GET /v1/errors` lists all of them \
with what to do. Titles and remedies come in the language of `Accept-Language` (en, zh-CN). \
Amounts are whole numbers of a unit's minor part (CNY: 1/10000 yuan).
"""
