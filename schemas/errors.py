"""Error codes: one closed set, stable for ever, shared by jobs, events and the API.

The words that go with a code are in the message catalogues (`schemas.texts`).
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why something was refused or failed. A code never changes its meaning."""

    # An upload or job that was rejected before any work.
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_SUSPENDED = "account_suspended"
    MALFORMED_KEY = "malformed_key"
    KEY_TOO_LONG = "key_too_long"
    PRESET_UNKNOWN = "preset_unknown"
    PARAMETERS_INVALID = "parameters_invalid"
    EMPTY_OBJECT = "empty_object"
    FILE_TOO_LARGE = "file_too_large"
    IMAGE_TOO_LARGE = "image_too_large"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE_IMAGE = "unreadable_image"
    TRUNCATED_IMAGE = "truncated_image"
    TOO_MANY_FRAMES = "too_many_frames"
    MASK_MISSING = "mask_missing"
    PRICE_MISSING = "price_missing"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    QUOTA_EXCEEDED = "quota_exceeded"
    QUEUE_FULL = "queue_full"
    OPERATION_SUSPENDED = "operation_suspended"
    CLOCK_SKEW = "clock_skew"
    REVIEW_REJECTED = "review_rejected"
    SOURCE_CHANGED = "source_changed"
    SOURCE_UNREADABLE = "source_unreadable"

    # A job that ended without a result after work had begun, or while it waited.
    MASK_SIZE_MISMATCH = "mask_size_mismatch"
    ALPHA_MISSING = "alpha_missing"
    DECODE_LIMIT = "decode_limit"
    CONTENT_REFUSED = "content_refused"
    PROCESSING_FAILED = "processing_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    JOB_CANCELLED = "job_cancelled"
    JOB_EXPIRED = "job_expired"

    # A request to the API.
    UNAUTHENTICATED = "unauthenticated"
    RATE_LIMITED = "rate_limited"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_INVALID = "request_invalid"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    UPLOAD_MISSING = "upload_missing"
    JOB_ENDED = "job_ended"
    JOB_NOT_RETRYABLE = "job_not_retryable"
    JOB_NOT_WAITING = "job_not_waiting"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL_ERROR = "internal_error"


_STATUS: dict[ErrorCode, int] = {
    ErrorCode.ACCOUNT_SUSPENDED: 403,
    ErrorCode.INSUFFICIENT_BALANCE: 402,
    ErrorCode.QUOTA_EXCEEDED: 429,
    ErrorCode.QUEUE_FULL: 429,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.OPERATION_SUSPENDED: 403,
    ErrorCode.REVIEW_REJECTED: 403,
    ErrorCode.FILE_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_FORMAT: 415,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.IDEMPOTENCY_KEY_MISSING: 400,
    ErrorCode.JOB_ENDED: 409,
    ErrorCode.JOB_NOT_RETRYABLE: 409,
    ErrorCode.JOB_NOT_WAITING: 409,
    ErrorCode.PRICE_MISSING: 503,
    ErrorCode.SOURCE_UNREADABLE: 503,
    ErrorCode.SERVICE_UNAVAILABLE: 503,
    ErrorCode.PROCESSING_FAILED: 500,
    ErrorCode.MODEL_UNAVAILABLE: 503,
    ErrorCode.INTERNAL_ERROR: 500,
}


def http_status(code: ErrorCode) -> int:
    """Return the HTTP status that the API answers this code with."""
    return _STATUS.get(code, 422)


def type_uri(code: ErrorCode) -> str:
    """Return the RFC 9457 `type` of a problem with this code."""
    return f"urn:picmend:error:{code}"
