"""Time, injected: rules and loops ask a clock, so that a test or a simulator can set it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class Time(Clock, Protocol):
    """Tells how much time has passed, and lets it pass, too."""

    def monotonic(self) -> float:
        """Return seconds since some moment; they never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds that the machine has been up, or so."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for so many seconds."""
        time.sleep(seconds)
