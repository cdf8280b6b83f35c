"""How requests are watched from outside: how long each took, and how it was answered.

Labels are closed sets: a route is told by its template, never by its path, and a method or a
path that the API does not know is `other` or `none`.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.jobs.model import Job
from infra import metrics, tracing

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_FAILED: Final = 500


class Measured:
    """ASGI middleware that times each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and observe it whatever becomes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        # What raises instead of answering is answered as this, outside of here.
        status = _FAILED

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.API_SECONDS.labels(method, _template(scope), f"{status // 100}xx").observe(
                perf_counter() - begun
            )


def trace_taken(job: Job, headers: Mapping[str, str], *, route: str, begun_ns: int) -> None:
    """Make the span of a request that asked for a job, linked to the client's own, if it has one.

    The job's trace is the job's: who sends a `traceparent` finds it by the link.
    """
    if tracing.on():
        tracing.tell(
            f"POST {route}",
            job.id,
            kind=tracing.Kind.SERVER,
            begun_ns=begun_ns,
            attributes={
                "http.request.method": "POST",
                "http.route": route,
                tracing.ACCOUNT: job.account_id,
            },
            link=headers.get("traceparent"),
        )


def _template(scope: Scope) -> str:
    path: object = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "none"
