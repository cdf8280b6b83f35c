"""When a waiting job may start: as its turn comes, and as its account may have more in flight."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cap:
    """How many jobs an account may have with the workers, and how many such it has there."""

    limit: int
    taken: int

    @property
    def free(self) -> int:
        """Return how many more there may be."""
        return max(0, self.limit - self.taken)


def seconds_until(
    ahead: int, own: int, *, per_second: float, in_flight: int, caps: Iterable[Cap]
) -> float | None:
    """Return in how many seconds a job starts; None while a cap lets none of its account's.

    `ahead` jobs of its line go before it, `own` of them its account's. The line moves by
    `per_second` with `in_flight` jobs at the workers, where a job so stays for the quotient of
    the two (Little's law); in that time an account starts as many as its cap, and no more.
    """
    stay = in_flight / per_second
    found = (ahead + 1) / per_second
    for cap in caps:
        if cap.limit == 0:
            return None
        found = max(found, (own + 1 - cap.free) * stay / cap.limit)
    return found
