"""What a server tells at a scrape: read in the background, kept for a moment, never waited for.

The thread that answers a scrape answers health checks too. So it waits for a server a fraction
of a second at most, and does without what is not there then.
"""

import threading
import time
from collections.abc import Callable, Sequence
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
        usable_s: float = 15.0,
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

    def answer(self, wait_s: float) -> T | None:
        """Return what was read, waiting so long for it; None, and an error counted, without it."""
        if self._reading is not None:
            self._reading.join(max(0.0, wait_s))
        kept = self._value
        if kept is None or self._clock() - kept[0] > self._usable_s:
            self._errors.inc()
            return None
        return kept[1]

    def _age(self) -> float:
        return self._clock() - self._value[0] if self._value else float("inf")

    def _keep(self) -> None:
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the next scrape tries again
            _log.warning("not_scraped", source=self.name, error=repr(error))
        else:
            self._value = (self._clock(), value)


def ask_all(sources: Sequence[Source[T]], *, wait_s: float = WAIT_S) -> list[T | None]:
    """Return what each source tells, having waited `wait_s` for all of them together."""
    deadline = time.monotonic() + wait_s
    for source in sources:
        source.ask()
    return [source.answer(deadline - time.monotonic()) for source in sources]
