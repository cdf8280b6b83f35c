"""Each request as it is told and counted: where it came from, by whom, and how it ended.

An endpoint that asks for a caller opens a visit. Its answer then tells how the rate limit stands,
and it is counted as a fact. Requests that need no key are neither limited nor counted: what they
get is made in the process, or is how its health is asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.networks import client_address, network_of
from api.rate_headers import rate_headers
from api.services import Services, services_of
from domain.admission.api_facts import Answer, Seen
from domain.admission.bad_files import is_broken, is_hostile
from domain.pipeline.enter import Entered, Unknown
from schemas.errors import ErrorCode

_READS: Final = frozenset({"/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/summary", "/v1/usage"})
_LIMITS: Final = frozenset({ErrorCode.QUOTA_EXCEEDED, ErrorCode.QUEUE_FULL})


@dataclass(slots=True)
class Visit:
    """A request under way. `who` is known once its key was looked up, `code` if it is refused.

    `keyless`: it carries no key where one is asked for, which is no try with a wrong one.
    `waits`: it asked for a job that has not ended, which is waiting for it and no reading.
    """

    at: datetime
    network: str
    country: str
    who: Entered | Unknown | None = None
    code: ErrorCode | None = None
    keyless: bool = False
    waits: bool = False

    def seen(self, method: str, route: str) -> Seen:
        """Return what is counted of it, at its end."""
        entered = self.who if isinstance(self.who, Entered) else None
        return Seen(
            at=self.at,
            answer=self._answer(method, route),
            network=self.network,
            country=self.country,
            account_id=entered.account_id if entered else None,
            key_id=entered.key_id if entered else None,
        )

    def _answer(self, method: str, route: str) -> Answer:
        if isinstance(self.who, Unknown) and not self.keyless:
            return Answer.INVALID_KEY
        if self.code is ErrorCode.RATE_LIMITED:
            return Answer.LIMITED
        if self.code in _LIMITS:
            return Answer.OVER_LIMIT
        if is_broken(self.code):
            return Answer.BROKEN_FILE
        if is_hostile(self.code):
            return Answer.HOSTILE_FILE
        read = method == "GET" and route in _READS and not self.waits
        return Answer.READ if read else Answer.DONE


class Visited:
    """ASGI middleware that tells clients how their limits stand, and counts their requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            visit = _visit_of(scope)
            if message["type"] == "http.response.start" and visit is not None:
                MutableHeaders(scope=message).update(rate_headers(visit.who))
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            visit = _visit_of(scope)
            if visit is not None:
                route: object = getattr(scope.get("route"), "path", "")
                seen = visit.seen(scope["method"], str(route))
                services_of(scope["app"]).facts.count(seen)


def open_visit(request: Request, services: Services) -> Visit:
    """Begin the visit of a request, from where it comes."""
    address = client_address(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        services.settings.trusted_proxies,
    )
    visit = Visit(services.clock.now(), network_of(address), services.countries.of(address))
    request.state.visit = visit
    return visit


def refused(request: Request, code: ErrorCode) -> None:
    """Note that a request is answered with a problem."""
    visit = _visit_of(request.scope)
    if visit is not None:
        visit.code = code


def told_limits(request: Request) -> dict[str, str]:
    """Return the headers that tell a request's client how its limits stand.

    For an answer that `Visited` does not see: that to an error which nobody expected.
    """
    visit = _visit_of(request.scope)
    return rate_headers(visit.who) if visit is not None else {}


def still_waits(request: Request) -> None:
    """Note that a request is answered with a job that has not ended."""
    visit = _visit_of(request.scope)
    if visit is not None:
        visit.waits = True


def _visit_of(scope: Scope) -> Visit | None:
    found: object = scope.get("state", {}).get("visit")
    return found if isinstance(found, Visit) else None
