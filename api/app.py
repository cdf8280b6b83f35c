"""The application put together: routers, errors as problems, its own description."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api import documented, problems, services
from api.measured import Measured
from api.routers import health, jobs, limits, money, reference, uploads
from api.services import Services
from api.visits import Visited

VERSION = "1"


def create_app(open_services: Callable[[], AbstractContextManager[Services]]) -> FastAPI:
    """Return the application; it opens its services when it starts and closes them at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_services() as opened:
            services.install(app, opened)
            yield

    app = FastAPI(
        title="picmend",
        version=VERSION,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Visited)
    app.add_middleware(Measured)
    routers = (
        jobs.router,
        uploads.router,
        limits.router,
        money.router,
        reference.router,
        health.router,
    )
    for router in routers:
        app.include_router(router)
    problems.install(app, [route for router in routers for route in router.routes])

    def describe() -> dict[str, Any]:
        app.openapi_schema = app.openapi_schema or documented.describe(app)
        return app.openapi_schema

    # FastAPI's own way to replace the description: the attribute is read on each request.
    app.openapi = describe  # type: ignore[method-assign]
    return app
