"""Time, injected: rules ask a clock, so that a test or a simulator can set it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)
