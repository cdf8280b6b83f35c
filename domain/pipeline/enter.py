"""Entering the API: whose key a request carries, and whether it may come now."""

import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from psycopg import Connection

from domain.accounts.model import parse_api_key
from domain.admission import rates
from domain.admission.rates import Decision, Rate
from schemas.ids import AccountId


@dataclass(frozen=True, slots=True)
class Entered:
    """The key is an account's. Without `decision` its rate is not limited."""

    account_id: AccountId
    key_id: str
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The key is nobody's, or there is none; `decision` is on how often its network may come so."""

    decision: Decision


class RateLimiter(Protocol):
    """Tells who comes, and counts them.

    A wrong secret never counts against the account whose key it was tried on.
    """

    def enter(self, key: str, network: str, at: datetime) -> Entered | Unknown:
        """Return who comes with a key, or an empty one, from a network at a time.

        Blocks: for threads only.
        """
        ...


class PostgresLimiter:
    """Looks keys up and counts in Postgres, in one round trip.

    `statement` gives a connection whose statements each commit by themselves, so that a row is
    locked only while it is counted. What it raises, `enter` does, and `psycopg.OperationalError`.
    """

    def __init__(self, statement: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._statement = statement

    def enter(self, key: str, network: str, at: datetime) -> Entered | Unknown:
        """See `RateLimiter`."""
        parsed = parse_api_key(key)
        with self._statement() as conn:
            row = conn.execute(
                _ENTER,
                {
                    "key": parsed and parsed.id,
                    "sha256": parsed and parsed.secret_sha256,
                    "network": network,
                    "at": at,
                    **_CONSTANTS,
                },
            ).fetchone()
        if row is None:
            raise LookupError("api_enter returned no row")
        holder, kept_sha256, pace, burst, allowed, tat = row
        known = (
            parsed is not None
            and kept_sha256 is not None
            and hmac.compare_digest(kept_sha256, parsed.secret_sha256)
        )
        decision = None
        if pace is not None:
            decision = rates.decision(Rate(pace, burst), tat, at, allowed=allowed)
        if known and parsed is not None:
            return Entered(AccountId(holder), parsed.id, decision)
        if decision is None:
            raise LookupError("api_enter did not count a key that is not valid")
        return Unknown(decision)


_ENTER: Final = (
    "SELECT holder, kept_sha256, pace, burst, allowed, tat FROM api_enter(%(key)s, %(sha256)s,"
    " %(network)s, %(at)s, %(slowed_by)s, %(slowest)s, %(largest_burst)s, %(believed)s,"
    " %(unknown_interval)s, %(unknown_burst)s)"
)
_CONSTANTS: Final = {
    "slowed_by": rates.SLOWED_BY,
    "slowest": rates.SLOWEST,
    "largest_burst": rates.LARGEST_BURST,
    "believed": rates.BELIEVED,
    "unknown_interval": rates.UNKNOWN_KEYS.interval,
    "unknown_burst": rates.UNKNOWN_KEYS.burst,
}
