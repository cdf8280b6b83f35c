"""How a client is told its limits: draft-ietf-httpapi-ratelimit-headers-11, structured fields.

`RateLimit-Policy: "default";q=100;w=2` says that 100 requests may come at once, and that so many
come back within 2 s; `RateLimit: "default";r=99;t=1` that 99 may come now, and more in 1 s at the
latest. Seconds are rounded up, so that who waits as long as told is not too early.
"""

from datetime import timedelta
from typing import Final

from domain.admission.rates import Decision
from domain.pipeline.enter import Entered, Unknown

_SECOND: Final = timedelta(seconds=1)


def rate_headers(who: Entered | Unknown | None) -> dict[str, str]:
    """Return the headers that tell who comes how they stand; none where nothing is limited."""
    match who:
        case Entered(decision=Decision() as decision):
            return _fields("default", decision)
        case Unknown(decision=decision):
            return _fields("invalid-keys", decision)
        case _:
            return {}


def whole_seconds(time: timedelta) -> int:
    """Return a time in seconds, rounded up."""
    return -(-time // _SECOND)


def _fields(policy: str, decision: Decision) -> dict[str, str]:
    window = max(1, whole_seconds(decision.rate.window))
    more = whole_seconds(max(decision.more_after, decision.retry_after))
    return {
        "RateLimit-Policy": f'"{policy}";q={decision.limit};w={window}',
        "RateLimit": f'"{policy}";r={decision.remaining};t={more}',
    }
