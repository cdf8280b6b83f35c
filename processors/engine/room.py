"""Something that is shared in the order in which it is asked for."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_BEAT_S: Final = 1.0


class Room:
    """So many of something, shared by threads in the order in which they ask; of one, turns.

    Who asks for more than there is gets all of it. Nobody passes one that waits: who wants much
    among many who want little would else wait for ever, and so would, at a plain lock, one of
    two who take it again and again.
    """

    def __init__(self, size: int) -> None:
        self._free = self._all = size
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int, while_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold so many within the block.

        Until there is room, `while_waiting` is called, at once and then every second; what it
        raises ends the wait. No lock is held meanwhile.
        """
        held = min(size, self._all)
        self._take(held, while_waiting)
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()

    def _take(self, size: int, while_waiting: Callable[[], None]) -> None:
        place = object()
        wait_s = 0.0
        with self._changed:
            self._line.append(place)
        try:
            while not self._taken(place, size, wait_s):
                while_waiting()
                wait_s = _BEAT_S
        finally:
            with self._changed:
                self._line.remove(place)
                self._changed.notify_all()

    def _taken(self, place: object, size: int, wait_s: float) -> bool:
        """Take it once it is `place`'s turn and there is room; False after `wait_s` without."""
        with self._changed:
            there_is = self._changed.wait_for(
                lambda: self._line[0] is place and size <= self._free, wait_s
            )
            if there_is:
                self._free -= size
            return there_is
