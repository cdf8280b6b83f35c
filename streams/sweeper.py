"""The sweeper: ends or puts back what time has overtaken, alone."""

from datetime import datetime, timedelta

from psycopg import Connection

from domain.pipeline.sweep import Swept, sweep_expired, sweep_leases, sweep_unclaimed
from infra import metrics
from infra.clock import Clock
from infra.logs import logger

_log = logger(__name__)


class Sweeper:
    """Judges leases, unclaimed and expired jobs, every second.

    Leases are judged only after the database has answered without a break for as long as a
    lease lasts: before that, their workers may have been unable to renew them.
    """

    channel = None
    interval_s = 1.0

    def __init__(self, clock: Clock, *, lease: timedelta) -> None:
        self._clock = clock
        self._lease = lease
        self._connection: Connection | None = None
        self._since: datetime | None = None
        self._swept = {
            (reason, outcome): metrics.SWEPT.labels(reason, outcome)
            for reason in ("expired", "unclaimed", "lease")
            for outcome in ("ended", "requeued")
        }

    def step(self, conn: Connection) -> bool:
        """Sweep once; return whether there may be more at once."""
        swept: dict[str, Swept] = {}
        with conn.transaction():
            swept["expired"] = sweep_expired(conn, clock=self._clock)
        with conn.transaction():
            swept["unclaimed"] = sweep_unclaimed(conn, clock=self._clock)
        if self._unbroken(conn):
            with conn.transaction():
                swept["lease"] = sweep_leases(conn, clock=self._clock)
        for reason, found in swept.items():
            self._swept[reason, "ended"].inc(found.ended)
            self._swept[reason, "requeued"].inc(found.requeued)
        ended = sum(found.ended for found in swept.values())
        requeued = sum(found.requeued for found in swept.values())
        if ended or requeued:
            _log.info("swept", ended=ended, requeued=requeued)
        return False

    def _unbroken(self, conn: Connection) -> bool:
        if conn is not self._connection or self._since is None:
            self._connection, self._since = conn, self._clock.now()
        return self._clock.now() - self._since >= self._lease
