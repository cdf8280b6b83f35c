"""How fast the lines move: what the dispatcher tells of them, from minute to minute."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection

from schemas.operations import OperationName

BUCKET_S: Final = 10
WINDOW: Final = timedelta(minutes=5)
"""How far back the pace of a line is looked for."""

FORGOTTEN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """Jobs that went to the workers while others had to wait, and in how many seconds."""

    jobs: int
    seconds: float

    @property
    def per_second(self) -> float | None:
        """Return jobs a second; None while there is nothing to tell it from."""
        return self.jobs / self.seconds if self.jobs and self.seconds > 0 else None


def add(conn: Connection, operation: OperationName, pace: Pace, at: datetime) -> None:
    """Add what was seen of a line up to `at`."""
    bucket = datetime.fromtimestamp(at.timestamp() // BUCKET_S * BUCKET_S, UTC)
    conn.execute(
        "INSERT INTO queue_pace AS p (operation, bucket, jobs, seconds) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (operation, bucket) DO UPDATE"
        " SET jobs = p.jobs + excluded.jobs, seconds = p.seconds + excluded.seconds",
        (operation, bucket, pace.jobs, pace.seconds),
    )


def recent(conn: Connection, operation: OperationName, at: datetime) -> Pace:
    """Return what was seen of a line in the `WINDOW` before `at`."""
    row = conn.execute(
        "SELECT coalesce(sum(jobs), 0), coalesce(sum(seconds), 0) FROM queue_pace"
        " WHERE operation = %s AND bucket > %s",
        (operation, at - WINDOW),
    ).fetchone()
    return Pace(int(row[0]), float(row[1])) if row else Pace(0, 0.0)


def forget(conn: Connection, at: datetime) -> None:
    """Delete what is too old to be asked for."""
    conn.execute("DELETE FROM queue_pace WHERE bucket < %s", (at - FORGOTTEN_AFTER,))
