"""Whether the process lives, and whether it can work."""

from collections.abc import Callable
from typing import Final

import anyio
import psycopg
from anyio import to_thread
from fastapi import APIRouter, Request

from api.documented import problems
from api.errors import NotReadyError
from api.services import Services, services_of
from infra.stored_objects import ObjectMissing, StoreError
from schemas.api import Health
from schemas.errors import ErrorCode

router = APIRouter(tags=["health"])

_PATIENCE_S: Final = 3.0
_ABSENT_KEY: Final = "staged/readiness"


@router.get("/healthz")
async def healthz() -> Health:
    """Answer while the process lives, whatever else is away."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(ErrorCode.SERVICE_UNAVAILABLE))
async def readyz(request: Request) -> Health:
    """Answer whether Postgres and the object store do; `missing` names which does not."""
    services = services_of(request.app)
    missing: list[str] = []

    async def ask(name: str, answers: Callable[[Services], bool]) -> None:
        with anyio.move_on_after(_PATIENCE_S) as patience:
            if not await to_thread.run_sync(
                answers, services, abandon_on_cancel=True, limiter=services.probes
            ):
                missing.append(name)
        if patience.cancelled_caught:
            missing.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(ask, "postgres", _postgres_answers)
        group.start_soon(ask, "object_store", _store_answers)
    if missing:
        raise NotReadyError(
            f"no answer from {' and '.join(sorted(missing))}",
            members={"missing": [*sorted(missing)]},
        )
    return Health(status="ready")


def _postgres_answers(services: Services) -> bool:
    try:
        with services.transaction() as conn:
            # A table of ours: a database that was never migrated is not ready.
            conn.execute("SELECT FROM accounts LIMIT 0")
    except psycopg.Error:
        return False
    return True


def _store_answers(services: Services) -> bool:
    try:
        services.store.head(_ABSENT_KEY)
    except ObjectMissing:
        return True
    except StoreError:
        return False
    return True
