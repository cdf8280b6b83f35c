"""A job's own facts, as `picmend jobs` prints them in JSON."""

from domain.jobs.model import Job


def record(job: Job) -> dict[str, object]:
    """Return all of a job's row that people ask for."""
    return {
        "id": job.id,
        "account_id": job.account_id,
        "state": job.state,
        "version": job.version,
        "attempt": job.attempt,
        "lease_losses": job.lease_losses,
        "code": job.code,
        "detail": job.detail,
        "limit": job.limit.model_dump(mode="json") if job.limit else None,
        "priority": job.priority,
        "origin": job.origin,
        "preset": job.preset,
        "operation": job.operation,
        "parameters": job.parameters.model_dump() if job.parameters else None,
        "source": job.source.key,
        "source_etag": job.source.etag,
        "source_bytes": job.source_bytes,
        "mask": job.mask.key if job.mask else None,
        "format": job.header.format if job.header else None,
        "width": job.header.width if job.header else None,
        "height": job.header.height if job.header else None,
        "amount": job.amount,
        "unit": job.unit,
        "worker": job.worker,
        "lease_until": job.lease_until,
        "cancel_requested": job.cancel_requested,
        "requested_at": job.requested_at,
        "admitted_at": job.admitted_at,
        "expires_at": job.expires_at,
        "dispatched_at": job.dispatched_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "result": job.result.key if job.result else None,
        "retry_of": job.retry_of,
    }
