"""Who asks: the bearer API key of a request, and one transaction as its account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg import Connection

from api.errors import UnauthenticatedError
from api.services import Services, services_of
from domain.accounts import service as accounts
from domain.accounts.model import Account
from domain.pipeline.submit import RefusedError
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
    """A request's key, not yet checked, and what the request works with."""

    services: Services
    key: str

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give one transaction of the account that holds the key.

        The key is asked for in that transaction each time, so that revoking it acts at once.
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
    if credentials is None:
        raise UnauthenticatedError("the request carries no API key")
    return Access(services_of(request.app), credentials.credentials)


Caller = Annotated[Access, Depends(_access)]
"""A parameter by which an endpoint asks for a caller."""
