"""What the API itself refuses, beside what the domain does.

ApiError
├── UnauthenticatedError         no API key, or one that is not valid (any more)
├── RateLimitedError             too many requests; says when to come again
├── NotFoundError                nothing here that this account may see
├── RequestInvalidError          fields that are wrong, each named
│   └── ParametersInvalidError   of an operation's parameters
├── IdempotencyKeyMissingError   the header that a new job needs
├── UploadMissingError           an upload id under which nothing lies
├── BodyTooLargeError            more bytes than are taken
└── NotReadyError                what the API needs does not answer
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue, ValidationError

from schemas.errors import ErrorCode
from schemas.problems import FieldError


class ApiError(Exception):
    """A request that is refused: `detail` says what happened this time."""

    code: ErrorCode

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        members: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.members = dict(members or {})


class UnauthenticatedError(ApiError):
    """The request carries no valid API key."""

    code = ErrorCode.UNAUTHENTICATED


class RateLimitedError(ApiError):
    """Requests come too fast: another may come after `retry_after_s`."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotFoundError(ApiError):
    """There is no such thing, or it is another account's: which of the two is not told."""

    code = ErrorCode.NOT_FOUND


class RequestInvalidError(ApiError):
    """Fields of the request are wrong."""

    code = ErrorCode.REQUEST_INVALID

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)


class ParametersInvalidError(RequestInvalidError):
    """Parameters are not such as their operation takes."""

    code = ErrorCode.PARAMETERS_INVALID


class IdempotencyKeyMissingError(ApiError):
    """A request for a new job came without the key that makes it safe to send again."""

    code = ErrorCode.IDEMPOTENCY_KEY_MISSING


class UploadMissingError(ApiError):
    """Nothing was uploaded under an upload id of this account."""

    code = ErrorCode.UPLOAD_MISSING


class BodyTooLargeError(ApiError):
    """The body, or a file in it, has more bytes than are taken."""

    code = ErrorCode.FILE_TOO_LARGE


class NotReadyError(ApiError):
    """What the API cannot do without does not answer."""

    code = ErrorCode.SERVICE_UNAVAILABLE


def wrong_field(field: str, message: str) -> RequestInvalidError:
    """Return the error of one wrong field."""
    return RequestInvalidError([FieldError(field=field, message=message)])


def field_errors(error: ValidationError, *, under: Sequence[str] = ()) -> list[FieldError]:
    """Return pydantic's findings, each named by its path; `under` is where the value stood."""
    return [
        FieldError(
            field=".".join([*under, *(str(part) for part in found["loc"])]) or "body",
            message=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]
