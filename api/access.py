"""Who asks: the bearer API key of a request, and one transaction as its account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg import Connection

from api.errors import RateLimitedError, UnauthenticatedError
from api.rate_headers import whole_seconds
from api.services import Services, services_of
from api.visits import open_visit
from domain.accounts import service as accounts
from domain.accounts.model import Account
from domain.admission.rates import Decision
from domain.pipeline.enter import Entered, Unknown
from domain.pipeline.submit import RefusedError
from infra import metrics
from schemas.errors import ErrorCode

_BEARER = HTTPBearer(
    scheme_name="apiKey",
    bearerFormat="pm_live_…",
    description="An API key: `Authorization: Bearer pm_live_…`",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Session:
    """A transaction, and the account whose it is."""

    conn: Connection
    account: Account

    def must_be_active(self) -> None:
        """Raise `RefusedError` for an account that may look but not ask for anything."""
        if not self.account.may_run:
            raise RefusedError(
                ErrorCode.ACCOUNT_SUSPENDED, f"{self.account.id} is {self.account.state}"
            )


@dataclass(frozen=True, slots=True)
class Access:
    """A request's key, and what the request works with. The request is within its rate."""

    services: Services
    key: str
    decision: Decision | None
    """How its account's rate stands; None when that is not limited."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give one transaction of the account that holds the key.

        The key was looked up when the request came; it is asked for in each transaction anew,
        so that revoking it acts at once.
        Raises `UnauthenticatedError`. Blocks: for threads only.
        """
        with self.services.transaction() as conn:
            account = accounts.authenticate(conn, self.key)
            if account is None:
                raise UnauthenticatedError("the API key is not valid")
            yield Session(conn, account)


async def _access(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> Access:
    services = services_of(request.app)
    visit = open_visit(request, services)
    # No key is one that is nobody's: both are counted against the network that they come from.
    visit.keyless = credentials is None
    key = credentials.credentials if credentials else ""
    with metrics.API_ENTER_SECONDS.time():
        who = await run_in_threadpool(services.limiter.enter, key, visit.network, visit.at)
    visit.who = who
    match who:
        case Entered(decision=Decision(allowed=False, retry_after=wait)):
            raise RateLimitedError(
                "the account's requests come faster than its plan allows",
                retry_after_s=whole_seconds(wait),
            )
        case Unknown(decision=Decision(allowed=False, retry_after=wait)):
            raise RateLimitedError(
                f"{visit.network} sends too many requests without a valid key",
                retry_after_s=whole_seconds(wait),
            )
        case Unknown() if visit.keyless:
            raise UnauthenticatedError("the request carries no API key")
        case Unknown():
            raise UnauthenticatedError("the API key is not valid")
        case Entered(decision=decision):
            return Access(services, key, decision)


Caller = Annotated[Access, Depends(_access)]
"""A parameter by which an endpoint asks for a caller."""
