"""Taking turns at something that only one may use at a time."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_BEAT_S: Final = 1.0


class Turns:
    """A lock that is handed on in the order in which it was asked for.

    A plain lock may go to the same thread again and again: of two jobs that take it for each of
    their tiles, one would wait until the other is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def taken(self, while_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the turn within the block.

        `while_waiting` is called every second until it comes; what it raises ends the wait.
        """
        self._take(while_waiting)
        try:
            yield
        finally:
            self._hand_on()

    def _take(self, while_waiting: Callable[[], None]) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            while not gate.acquire(timeout=_BEAT_S):
                while_waiting()
        except BaseException:
            self._withdraw(gate)
            raise

    def _withdraw(self, gate: threading.Lock) -> None:
        with self._lock:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return
        # The turn came between the last look and now: it must not be lost.
        self._hand_on()

    def _hand_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
