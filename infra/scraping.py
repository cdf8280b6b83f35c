"""What a server tells at a scrape: read in the background, kept for a moment, never waited for.

The thread that answers a scrape answers health checks too. So it waits for a server a fraction
of a second at most, and does without what is not there then.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from infra import metrics
from infra.logs import logger

T = TypeVar("T")

WAIT_S: Final = 0.5
"""How long one scrape waits for all of its sources together."""

_log = logger(__name__)


class Source(Generic[T]):
    """One thing that is read for scrapes, by at most one thread at a time.

    What was read counts for `fresh_s`; after that it is read anew, and shown meanwhile if that
    takes a little longer, for `usable_s` in all.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        *,
        fresh_s: float = 5.0,
        usable_s: float = 45.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare it. `read` may raise anything: it is logged, and the scrape does without."""
        self.name: Final = name
        self._read = read
        self._fresh_s = fresh_s
        self._usable_s = usable_s
        self._clock = clock
        self._errors = metrics.SCRAPE_ERRORS.labels(name)
        self._value: tuple[float, T] | None = None
        self._reading: threading.Thread | None = None

    def ask(self) -> None:
        """Begin to read unless what is there is fresh, or somebody reads already."""
        if self._age() <= self._fresh_s or (self._reading and self._reading.is_alive()):
            return
        self._reading = threading.Thread(target=self._keep, name=f"scrape-{self.name}", daemon=True)
        self._reading.start()

    def answer(self, deadline: float) -> T | None:
        """Return what was read last, or None when there is nothing usable.

        Waits for who reads until `deadline`, of `time.monotonic`. A read that failed counts as
        an error, and so does one that is not done while nothing else is usable.
        """
        reading = self._reading
        if reading is not None:
            reading.join(max(0.0, deadline - time.monotonic()))
        kept = self._value
        if kept is None or self._clock() - kept[0] > self._usable_s:
            if reading is not None and reading.is_alive():
                self._errors.inc()
            return None
        return kept[1]

    def _age(self) -> float:
        return self._clock() - self._value[0] if self._value else float("inf")

    def _keep(self) -> None:
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the next scrape tries again
            self._errors.inc()
            _log.warning("not_scraped", source=self.name, error=repr(error))
        else:
            self._value = (self._clock(), value)
