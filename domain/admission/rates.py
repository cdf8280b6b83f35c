"""Request rates by GCRA, without a database: may this request pass, and how many more may.

The generic cell rate algorithm (ITU-T I.371, annex A, its virtual scheduling form) keeps one time
for each subject, the theoretical arrival time (TAT): when its burst would be whole again. A
request moves it on by the rate's interval, and passes if it then lies no further ahead than the
whole burst takes. That admits exactly what a bucket of `burst` tokens admits into which one
token drips each interval, without counting tokens. `domain.pipeline.enter` does the same in SQL.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

BELIEVED: Final = timedelta(seconds=60)
"""How far beyond a whole burst a TAT may lie: clocks of processes differ.

One further ahead is of a rate that holds no more, or of a clock that was wrong: it is taken for
none, for nobody is to be locked out by it.
"""

SLOWED_BY: Final = 10
"""Who is slowed down has this part of the rate and of the burst, one request at least."""

SLOWEST: Final = timedelta(seconds=10)
"""But nobody's requests are held further apart than this by being slowed down."""

LARGEST_BURST: Final = 1_000_000
"""No burst is larger, so that times stay in their range."""

_SECOND: Final = timedelta(seconds=1)
_TICK: Final = timedelta.resolution


@dataclass(frozen=True, slots=True)
class Rate:
    """One request each `interval`, which is positive, and `burst` at once. 0: none at all."""

    interval: timedelta
    burst: int

    @property
    def window(self) -> timedelta:
        """Return how long a burst that was used up takes to be whole again."""
        return self.burst * self.interval

    def slowed(self) -> "Rate":
        """Return the rate of somebody who is slowed down."""
        interval = max(self.interval, min(self.interval * SLOWED_BY, SLOWEST))
        return Rate(interval, max(min(self.burst, 1), self.burst // SLOWED_BY))


UNKNOWN_KEYS: Final = Rate(timedelta(seconds=6), 20)
"""How often one network may come without a valid key: 10 a minute, 20 at once."""


def rate_of(per_second: int | None, burst: int | None) -> Rate | None:
    """Return the rate that two limits make; None, without `per_second`, does not limit.

    The interval is rounded up to whole microseconds. Without `burst` it is what a second allows.
    """
    if per_second is None:
        return None
    if per_second == 0:
        return Rate(_SECOND, 0)
    allowed = per_second if burst is None else burst
    interval = (
        -(-_SECOND // (_TICK * per_second)) * _TICK if per_second < _SECOND // _TICK else _TICK
    )
    return Rate(interval, min(allowed, LARGEST_BURST))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request passes, and where its subject stands after it.

    `limit` requests are allowed at once, `remaining` of them now; one more than that after
    `more_after`, all of them after `reset_after`. A request that is refused passes after
    `retry_after`, which is 0 for one that passes.
    """

    rate: Rate
    allowed: bool
    remaining: int
    more_after: timedelta
    reset_after: timedelta
    retry_after: timedelta

    @property
    def limit(self) -> int:
        """Return how many requests may come at once."""
        return self.rate.burst


def take(rate: Rate, tat: datetime | None, at: datetime) -> tuple[Decision, datetime | None]:
    """Decide a request that comes at `at`, and return the subject's next TAT with the decision.

    A request that is refused leaves the TAT as it was.
    """
    moved = max(_believed(rate, tat, at), at) + rate.interval
    if moved <= at + rate.window:
        return decision(rate, moved, at, allowed=True), moved
    return decision(rate, tat, at, allowed=False), tat


def decision(rate: Rate, tat: datetime | None, at: datetime, *, allowed: bool) -> Decision:
    """Return the decision on a request after which its subject's TAT is `tat`."""
    ahead = max(_believed(rate, tat, at) - at, timedelta())
    free = max(rate.window - ahead, timedelta())
    remaining = free // rate.interval if allowed else 0
    to_next = (remaining + 1) * rate.interval + ahead - rate.window
    more_after = max(to_next, timedelta()) if remaining < rate.burst else timedelta()
    return Decision(
        rate=rate,
        allowed=allowed,
        remaining=remaining,
        more_after=more_after,
        reset_after=ahead,
        retry_after=timedelta() if allowed else max(to_next, _TICK),
    )


def _believed(rate: Rate, tat: datetime | None, at: datetime) -> datetime:
    return at if tat is None or tat > at + rate.window + BELIEVED else tat
