"""Workers tell that they live, and wake the dispatcher when they come."""

from psycopg import Connection

from domain.jobs import workers
from domain.jobs.workers import Slots
from domain.pipeline.record import QUEUE_CHANNEL
from infra.clock import Clock


def attend(conn: Connection, name: str, slots: Slots, *, clock: Clock) -> None:
    """Tell that a worker lives, with so many slots; there is more room in flight at once."""
    if workers.beat(conn, name, slots, clock.now()):
        conn.execute("SELECT pg_notify(%s, '')", (QUEUE_CHANNEL,))


def leave(conn: Connection, name: str) -> None:
    """Tell that a worker takes no more work."""
    workers.leave(conn, name)
