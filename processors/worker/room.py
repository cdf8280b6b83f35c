"""How large the pictures that a worker has in hand may be together."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_BEAT_S: Final = 1.0


class Room:
    """So many pixels, shared by threads in the order in which they ask.

    Who asks for more than there is gets all of it. Nobody passes one that waits: a large picture
    among many small ones would else wait for ever.
    """

    def __init__(self, pixels: int) -> None:
        self._free = self._all = pixels
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int, while_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold so many pixels within the block.

        Until there is room, `while_waiting` is called, once a second or oftener; what it raises
        ends the wait.
        """
        held = min(pixels, self._all)
        self._take(held, while_waiting)
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()

    def _take(self, pixels: int, while_waiting: Callable[[], None]) -> None:
        place = object()
        with self._changed:
            self._line.append(place)
            try:
                while self._line[0] is not place or pixels > self._free:
                    while_waiting()
                    self._changed.wait(_BEAT_S)
                self._free -= pixels
            finally:
                self._line.remove(place)
                self._changed.notify_all()
