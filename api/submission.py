"""A new job by request: what was sent is staged, and decided in one transaction."""

from datetime import datetime, timedelta

from api.access import Access, Session
from api.errors import wrong_field
from api.orders import Order
from api.services import Services
from api.staging import Staging, header_facts, staging
from domain.jobs import read, store
from domain.jobs.model import Job
from domain.pipeline.resolve import Candidate
from domain.pipeline.submit import IdempotencyConflictError, submit
from schemas.ids import AccountId, api_job_id
from schemas.states import Origin


def submit_order(access: Access, order: Order, *, idempotency_key: str) -> Job:
    """Return the job that an order makes, or made before under the same key.

    Blocks while the store and the database work. Raises `UnauthenticatedError`,
    `RefusedError`, `IdempotencyConflictError`, `UploadMissingError`, `RequestInvalidError`;
    then nothing of the request is left, and its key may be used again.
    """
    services = access.services
    digest = order.digest()
    with access.session() as session:
        account_id = session.account.id
        known = _answered_before(session, idempotency_key, digest)
        if known is not None:
            return known
        session.must_be_active()
    lifetime = timedelta(days=services.settings.job_lifetime_days)
    if order.expires_at is not None:
        check_expiry(services, order.expires_at, since=services.clock.now())
    with staging(services.store, account_id) as place:
        candidate = _candidate(services, place, account_id, idempotency_key, order)
        with access.session() as session:
            job = submit(
                session.conn,
                candidate,
                idempotency_key=idempotency_key,
                request_sha256=digest,
                clock=services.clock,
                lifetime=lifetime,
            )
        # Of several requests at once with one key, the job is the first one's.
        place.keep(job.source.key)
    return job


def _answered_before(session: Session, key: str, digest: bytes) -> Job | None:
    bound = store.recall(session.conn, session.account.id, key)
    if bound is None:
        return None
    request_sha256, job_id = bound
    if request_sha256 != digest:
        raise IdempotencyConflictError(f"the key {key!r} was used for another request")
    return read.of_account(session.conn, session.account.id, job_id)


def check_expiry(services: Services, expires_at: datetime, *, since: datetime) -> None:
    """Raise `RequestInvalidError` unless a job that was asked for at `since` may expire then."""
    now = services.clock.now()
    latest = since + timedelta(days=services.settings.job_lifetime_days)
    if not now < expires_at <= latest:
        raise wrong_field("expires_at", f"it must lie ahead, and before {latest}; it is now {now}")


def _candidate(
    services: Services, place: Staging, account_id: AccountId, key: str, order: Order
) -> Candidate:
    image = place.place(order.image, "upload_id")
    mask = place.place(order.mask, "mask_upload_id") if order.mask else None
    return Candidate(
        job_id=api_job_id(account_id, key),
        account_id=account_id,
        origin=Origin.API,
        preset=order.preset,
        parameters=order.parameters,
        bucket=services.store.bucket,
        source=image.object,
        source_bytes=image.size,
        mask=mask.object if mask else None,
        facts=header_facts(image, mask, max_bytes=services.settings.max_image_bytes),
        requested_at=services.clock.now(),
        expires_at=order.expires_at,
        priority=order.priority or 0,
    )
