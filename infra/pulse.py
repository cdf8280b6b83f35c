"""Pulses: how a part of a process that hangs is told from one that has nothing to do."""

import time
from collections.abc import Callable
from typing import Final

LOOP_S: Final = 10.0
"""How long an event loop may be silent; it beats each second."""

TURN_S: Final = 20.0
"""How long a turn of a loop may take that asks servers and gives up on each by itself."""


class Pulse:
    """A part of a process, which beats whenever it takes a turn.

    It lives while its last beat is at most `within_s` seconds ago. It beats also while it waits
    for a server, or for its turn to come, so that silence means one thing: it hangs. One thread
    beats; any may look.
    """

    def __init__(
        self, name: str, *, within_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with a beat. `clock` is monotonic, in seconds."""
        self.name: Final = name
        self.within_s: Final = within_s
        self._clock = clock
        self._last = clock()
        self.stands_by = False

    def beat(self, *, stands_by: bool = False) -> None:
        """Note that a turn was taken, or that another process has this part's work."""
        self.stands_by = stands_by
        self._last = self._clock()

    def silent_s(self) -> float:
        """Return how long ago the last beat was."""
        return self._clock() - self._last

    def alive(self) -> bool:
        """Whether the last beat is recent enough."""
        return self.silent_s() <= self.within_s
