"""Identifiers: how each is made, so that every path to the same thing makes the same one.

A job's id is derived from what it restores. The same bytes under the same key are one job,
however often and by whatever path they are announced; so is an API request sent again.
"""

import base64
import hashlib
import json
import re
import secrets
from typing import NewType

AccountId = NewType("AccountId", str)
JobId = NewType("JobId", str)
UploadId = NewType("UploadId", str)
EventId = NewType("EventId", str)

ACCOUNT_ID_PATTERN = r"^acc_[a-z0-9]{1,32}$"
JOB_ID_PATTERN = r"^job_[a-z2-7]{32}$"
UPLOAD_ID_PATTERN = r"^upl_[a-z2-7]{32}$"

_JOB_ID = re.compile(JOB_ID_PATTERN)


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _job_id(parts: list[str]) -> JobId:
    canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()
    return JobId("job_" + _base32(digest[:20]))


def object_job_id(bucket: str, key: str, etag: str, mask_etag: str | None = None) -> JobId:
    """Return the id of the job for an object: a function of where it lies and what it holds.

    `key` is decoded (no percent signs of an URL), `etag` unquoted. An inpainting job also
    depends on its mask, so a new mask is a new job.
    """
    parts = [bucket, key, etag.strip('"')]
    if mask_etag is not None:
        parts.append(mask_etag.strip('"'))
    return _job_id(parts)


def api_job_id(account_id: AccountId, idempotency_key: str) -> JobId:
    """Return the id of the job that an API request with this idempotency key makes."""
    return _job_id(["api:", account_id, idempotency_key])


def retry_job_id(old: JobId) -> JobId:
    """Return the id of the one job that retries `old`."""
    return _job_id(["retry:", old])


def is_job_id(text: str) -> bool:
    """Tell whether `text` has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None


def trace_of(job: JobId) -> tuple[int, int]:
    """Return the trace id (16 bytes) and the root span id (8 bytes) of a job, as numbers.

    Both are derived from the job's id, so that whoever handles the job knows them, after any
    crash, and nobody has to remember them.
    """
    digest = hashlib.sha256(job.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


def traceparent(job: JobId) -> str:
    """Return the W3C `traceparent` of everything that is done for a job: its root span's."""
    trace, span = trace_of(job)
    return f"00-{trace:032x}-{span:016x}-01"


def new_account_id() -> AccountId:
    """Return a fresh random account id."""
    return AccountId("acc_" + _base32(secrets.token_bytes(10)))


def new_upload_id() -> UploadId:
    """Return a fresh random id for a staged upload."""
    return UploadId("upl_" + _base32(secrets.token_bytes(20)))


def new_finding_id() -> str:
    """Return a fresh random id for a finding."""
    return "fnd_" + _base32(secrets.token_bytes(20))


def requested_event_id(job: JobId) -> EventId:
    """Return the id of the event that asks for a job."""
    return EventId(f"{job}.requested")


def dispatched_event_id(job: JobId, attempt: int) -> EventId:
    """Return the id of the event that hands an attempt of a job to the workers."""
    return EventId(f"{job}.{attempt}.dispatched")


def finished_event_id(job: JobId, attempt: int) -> EventId:
    """Return the id of the event by which a worker reports an attempt."""
    return EventId(f"{job}.{attempt}.finished")


def transition_event_id(job: JobId, version: int) -> EventId:
    """Return the id of the event that tells of one transition of a job."""
    return EventId(f"{job}.{version}")


def usage_event_id(job: JobId) -> EventId:
    """Return the id of a job's one usage event."""
    return EventId(f"{job}.usage")
