"""What the API does beside its requests: facts are written down, old counts forgotten."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Final

import psycopg
from psycopg import Connection

from domain.admission import api_facts_store, rate_store
from domain.admission.api_facts import Seen, Tally
from infra import logs, metrics
from infra.clock import Time

_LOG = logs.logger("api.background")
_TURN_S: Final = 1.0
_FORGET_EVERY_S: Final = 600.0
_FORGOTTEN_AFTER: Final = timedelta(hours=1)

Transaction = Callable[[], AbstractContextManager[Connection]]


class ApiFacts:
    """Counts requests in memory, and writes down what it has with each `step`.

    A database that is away only delays that: what cannot be written stays, up to a cap, beyond
    which it is dropped and `picmend_api_facts_dropped_total` tells so. Written twice is what was
    committed just when the connection broke.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._now = Tally()
        self._late = Tally()

    def count(self, seen: Seen) -> None:
        """Count one request. Blocks for microseconds."""
        with self._lock:
            self._now.count(seen)

    def step(self) -> None:
        """Write down what was counted.

        Raises `psycopg.OperationalError` or `psycopg.InterfaceError` when the database does not
        answer; nothing is lost then.
        """
        with self._lock:
            fresh, self._now = self._now, Tally()
        self._late.add(fresh)
        if self._late.dropped:
            metrics.API_FACTS_DROPPED.inc(self._late.dropped)
            self._late.dropped = 0
        if not self._late:
            return
        try:
            with self._transaction() as conn:
                api_facts_store.write(conn, self._late)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            # It is wrong and always will be: what comes after it goes on.
            _LOG.exception("facts_refused", error=str(error))
            metrics.API_FACTS_DROPPED.inc(len(self._late.facts) + len(self._late.sighted))
        self._late = Tally()


@contextmanager
def running(facts: ApiFacts, transaction: Transaction, time: Time) -> Iterator[None]:
    """Work in a thread while the block runs; at its end the last facts are written down."""
    stopping = threading.Event()

    def work() -> None:
        forgotten_at = time.monotonic()
        while not stopping.wait(_TURN_S):
            _turn(facts.step)
            if time.monotonic() - forgotten_at >= _FORGET_EVERY_S:
                forgotten_at = time.monotonic()
                _turn(forget)
        _turn(facts.step)

    def forget() -> None:
        with transaction() as conn:
            rate_store.forget(conn, time.now() - _FORGOTTEN_AFTER)

    thread = threading.Thread(target=work, name="api-background", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _turn(work: Callable[[], None]) -> None:
    try:
        work()
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        _LOG.warning("waiting_for_the_world", stage="api", error=str(error))
