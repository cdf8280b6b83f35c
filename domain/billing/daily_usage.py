"""What an account used, added up by day and operation. Reading only."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import class_row

from schemas.ids import AccountId


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """The ended jobs of one day (UTC, by admission), operation and unit.

    `pixels` are the inputs' of those that succeeded; `charged` is in minor units.
    """

    day: date
    operation: str
    unit: str
    jobs: int
    succeeded: int
    pixels: int
    charged: int


def daily_usage(
    conn: Connection[object], account_id: AccountId, start: datetime, end: datetime
) -> tuple[DailyUsage, ...]:
    """Return an account's usage admitted in [start, end), oldest day first."""
    with conn.cursor(row_factory=class_row(DailyUsage)) as cursor:
        cursor.execute(
            """
            SELECT
                (admitted_at AT TIME ZONE 'UTC')::date AS day, operation, unit,
                count(*) AS jobs,
                count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded,
                coalesce(sum(input_pixels) FILTER (WHERE outcome = 'succeeded'), 0)::bigint
                    AS pixels,
                coalesce(sum(charged), 0)::bigint AS charged
            FROM usage_events
            WHERE account_id = %s AND admitted_at >= %s AND admitted_at < %s
            GROUP BY 1, 2, 3
            ORDER BY 1, 2, 3
            """,
            (account_id, start, end),
        )
        return tuple(cursor.fetchall())
