"""The reconciler: finds uploads whose events the store lost, by listing. Alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from infra import metrics
from infra.clock import Clock
from infra.kafka import BrokerUnavailableError
from infra.logs import logger
from infra.stored_objects import ObjectStore
from schemas import keys
from streams.uploads import Announcer, upload_of

YOUNG: Final = timedelta(seconds=5)
"""Objects younger than this are left to their events."""

MAX_LAG: Final = 1000
"""Messages that intake and admission may be behind; beyond, events come first."""

SOON: Final = timedelta(seconds=10)
RECOVERY: Final = timedelta(minutes=1)

_log = logger(__name__)


@dataclass(slots=True)
class PassSchedule:
    """When to list: every `interval`; every 10 s for a minute after a start or an outage.

    A store that cannot reach its broker drops events, and goes on doing so for a while after.
    At a start nobody knows whether such an outage is just over. A pass that is due stays due
    until it was taken to its end.
    """

    interval: timedelta
    last: datetime | None = None
    away: bool = False
    recovered: datetime | None = None

    def is_due(self, now: datetime, *, broker_answers: bool) -> bool:
        """Tell whether a pass is due, given whether the broker answers at this moment."""
        if not broker_answers:
            self.away = True
            return False
        if self.away:
            self.away, self.recovered, self.last = False, now, None
        if self.last is None:
            return True
        recovering = self.recovered is not None and now - self.recovered < RECOVERY + SOON
        return now - self.last >= (min(SOON, self.interval) if recovering else self.interval)

    def passed(self, now: datetime) -> None:
        """Note that a pass which began at `now` has been taken to its end."""
        if self.recovered is None:
            self.recovered = now
        self.last = now


class Reconciler:
    """Lists `in/` now and then, and announces what has no job yet."""

    channel = None
    interval_s = 1.0

    def __init__(
        self,
        store: ObjectStore,
        announcer: Announcer,
        clock: Clock,
        schedule: PassSchedule,
        *,
        ping: Callable[[], None],
        lag: Callable[[], int],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare it; `beat` is called with each page, for a pass over many takes long."""
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._schedule = schedule
        self._ping = ping
        self._lag = lag
        self._beat = beat

    def step(self, conn: Connection) -> bool:  # noqa: ARG002 - it holds the lock, and is not needed
        """Take a pass if one is due."""
        begun = self._clock.now()
        if self._schedule.is_due(begun, broker_answers=self._broker_answers()):
            if self._lag() > MAX_LAG:
                return False
            self.take_pass()
            self._schedule.passed(begun)
        return False

    def take_pass(self) -> int:
        """List everything under `in/` once, and return how many jobs were asked for."""
        metrics.RECONCILER_PASSES.inc()
        found = 0
        for page in self._store.list(keys.INPUT_PREFIX):
            self._beat()
            old_enough = self._clock.now() - YOUNG
            uploads = [
                upload
                for info in page
                if info.last_modified <= old_enough
                and (
                    upload := upload_of(
                        info.key,
                        etag=info.etag,
                        version_id=info.version_id,
                        size=info.size,
                        at=info.last_modified,
                    )
                )
            ]
            if uploads:
                asked = self._announcer.announce(
                    uploads, found_by="reconciler", nearby={info.key: info for info in page}
                )
                metrics.RECONCILER_FOUND.inc(asked)
                found += asked
        if found:
            _log.info("reconciled", found=found)
        return found

    def _broker_answers(self) -> bool:
        try:
            self._ping()
        except BrokerUnavailableError:
            return False
        return True
