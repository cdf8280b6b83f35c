"""How a job is written to and read from its row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic_core import to_json

from domain.jobs.model import Header, Job, NewJob, Result, StoredObject
from schemas.decisions import LimitReached
from schemas.errors import ErrorCode
from schemas.ids import AccountId
from schemas.operations import ImageFormat, parse_parameters
from schemas.states import JobState, Origin

COLUMNS: Final = (
    "jobs.id, jobs.seq, jobs.account_id, jobs.origin, jobs.environment, jobs.retry_of,"
    " jobs.preset, jobs.operation, jobs.parameters, jobs.bucket, jobs.source_key,"
    " jobs.source_etag, jobs.source_version_id, jobs.source_bytes, jobs.mask_key, jobs.mask_etag,"
    " jobs.mask_version_id, jobs.format, jobs.width, jobs.height, jobs.has_alpha, jobs.state,"
    " jobs.version, jobs.attempt, jobs.lease_losses, jobs.code, jobs.detail,"
    " jobs.cancel_requested, jobs.worker, jobs.lease_until, jobs.amount, jobs.unit,"
    " jobs.requested_at, jobs.admitted_at, jobs.expires_at, jobs.dispatched_at, jobs.started_at,"
    " jobs.ended_at, jobs.result_key, jobs.result_etag, jobs.result_bytes,"
    " jobs.result_media_type, jobs.result_width, jobs.result_height, jobs.report,"
    " jobs.priority, jobs.quota_day, jobs.limit_reached, jobs.source_sha256"
)
"""The columns of a job, by name: a session keeps its statements prepared, and one that asked for
`*` would fail once a migration has added a column."""


def job_from_row(row: dict[str, Any]) -> Job:
    """Return the job in a row of `jobs`, whose columns are all there, by name."""
    return Job(
        id=row["id"],
        seq=row["seq"],
        account_id=row["account_id"],
        origin=Origin(row["origin"]),
        environment=row["environment"],
        retry_of=row["retry_of"],
        preset=row["preset"],
        parameters=(
            parse_parameters(row["operation"], row["parameters"]) if row["operation"] else None
        ),
        bucket=row["bucket"],
        source=StoredObject(row["source_key"], row["source_etag"], row["source_version_id"]),
        source_bytes=row["source_bytes"],
        mask=(
            StoredObject(row["mask_key"], row["mask_etag"], row["mask_version_id"])
            if row["mask_key"]
            else None
        ),
        header=(
            Header(ImageFormat(row["format"]), row["width"], row["height"], row["has_alpha"])
            if row["format"]
            else None
        ),
        state=JobState(row["state"]),
        version=row["version"],
        attempt=row["attempt"],
        lease_losses=row["lease_losses"],
        code=ErrorCode(row["code"]) if row["code"] else None,
        detail=row["detail"],
        cancel_requested=row["cancel_requested"],
        worker=row["worker"],
        lease_until=row["lease_until"],
        amount=row["amount"],
        unit=row["unit"],
        requested_at=row["requested_at"],
        admitted_at=row["admitted_at"],
        expires_at=row["expires_at"],
        dispatched_at=row["dispatched_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        result=(
            Result(
                row["result_key"],
                row["result_etag"],
                row["result_bytes"],
                row["result_media_type"],
                row["result_width"],
                row["result_height"],
            )
            if row["result_key"]
            else None
        ),
        report=row["report"],
        priority=row["priority"],
        quota_day=row["quota_day"],
        limit=LimitReached.model_validate(row["limit_reached"]) if row["limit_reached"] else None,
        source_sha256=row["source_sha256"],
    )


def added_job(job: NewJob, seq: int) -> Job:
    """Return a job as its row is when it has just been inserted, with its place in the line."""
    return Job(
        id=job.id,
        seq=seq,
        account_id=AccountId(job.account_id),
        origin=job.origin,
        environment=job.environment,
        retry_of=job.retry_of,
        preset=job.preset,
        parameters=job.parameters,
        bucket=job.bucket,
        source=job.source,
        source_bytes=job.source_bytes,
        mask=job.mask,
        header=job.header,
        state=job.state,
        version=1,
        attempt=0,
        lease_losses=0,
        code=job.code,
        detail=job.detail,
        cancel_requested=False,
        worker=None,
        lease_until=None,
        amount=job.amount,
        unit=job.unit,
        requested_at=job.requested_at,
        admitted_at=job.admitted_at,
        expires_at=job.expires_at,
        dispatched_at=None,
        started_at=None,
        ended_at=_ended_at(job),
        result=None,
        report=None,
        priority=job.priority,
        quota_day=job.quota_day,
        limit=job.limit,
    )


def new_rows(jobs: Sequence[NewJob]) -> str:
    """Return jobs as the JSON array of rows that the insert statement takes."""
    return to_json([_new_row(job) for job in jobs]).decode()


def _new_row(job: NewJob) -> dict[str, object]:
    source, mask, header = job.source, job.mask, job.header
    return {
        "id": job.id,
        "account_id": job.account_id,
        "origin": job.origin,
        "environment": job.environment,
        "retry_of": job.retry_of,
        "preset": job.preset,
        "operation": job.parameters.operation if job.parameters else None,
        "parameters": (
            job.parameters.model_dump(exclude={"operation"}) if job.parameters else None
        ),
        "bucket": job.bucket,
        "source_key": source.key,
        "source_etag": source.etag,
        "source_version_id": source.version_id,
        "source_bytes": job.source_bytes,
        "mask_key": mask.key if mask else None,
        "mask_etag": mask.etag if mask else None,
        "mask_version_id": mask.version_id if mask else None,
        "format": header.format if header else None,
        "width": header.width if header else None,
        "height": header.height if header else None,
        "has_alpha": header.has_alpha if header else None,
        "state": job.state,
        "code": job.code,
        "detail": job.detail,
        "amount": job.amount,
        "unit": job.unit,
        "requested_at": job.requested_at,
        "admitted_at": job.admitted_at,
        "expires_at": job.expires_at,
        "ended_at": _ended_at(job),
        "priority": job.priority,
        "quota_day": job.quota_day,
        "limit_reached": job.limit,
    }


def _ended_at(job: NewJob) -> datetime | None:
    return job.admitted_at if job.state is JobState.REJECTED else None
