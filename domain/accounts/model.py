"""Accounts and their credentials, as values."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from schemas.ids import AccountId

DEFAULT_PLAN: Final = "standard"
DEFAULT_TIME_ZONE: Final = "Asia/Shanghai"


class AccountState(StrEnum):
    """Whether an account may use the service."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class AccountKind(StrEnum):
    """Whether an account is a person's or a company's."""

    INDIVIDUAL = "individual"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the service.

    `unit` is the currency that it pays in; `time_zone` is the one its days and months are of.
    """

    id: AccountId
    name: str
    kind: AccountKind
    state: AccountState
    unit: str
    created_at: datetime
    plan: str = DEFAULT_PLAN
    time_zone: str = DEFAULT_TIME_ZONE

    @property
    def may_run(self) -> bool:
        """Tell whether its jobs may start."""
        return self.state is AccountState.ACTIVE


class AccountUnknownError(LookupError):
    """No account has this id."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"no account {account_id!r}; `picmend account list` shows all")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as its holder has it: `pm_live_<id>_<secret>`. Shown once, never stored."""

    id: str
    secret: str

    def __str__(self) -> str:
        """Return the text that goes into an Authorization header."""
        return f"pm_live_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        """Return a form that is safe to log."""
        return f"ApiKey({self.id})"

    @property
    def secret_sha256(self) -> bytes:
        """Return what is stored of it.

        A plain hash is enough: the secret has 256 random bits, so there is nothing to guess.
        """
        return hashlib.sha256(self.secret.encode()).digest()


def new_api_key() -> ApiKey:
    """Return a fresh random API key."""
    return ApiKey(id=secrets.token_hex(8), secret=secrets.token_hex(32))


def parse_api_key(text: str) -> ApiKey | None:
    """Return the API key in `text`, or None when it does not have the form of one."""
    parts = text.split("_")
    if len(parts) != len(("pm", "live", "id", "secret")) or parts[:2] != ["pm", "live"]:
        return None
    if not (parts[2].isalnum() and parts[3].isalnum() and text.isascii()):
        return None
    return ApiKey(id=parts[2], secret=parts[3])
