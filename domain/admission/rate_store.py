"""The SQL of request rates, beside `api_enter`, which counts them."""

from datetime import datetime

from psycopg import Connection


def forget(conn: Connection, before: datetime) -> int:
    """Delete the counts that say nothing any more: whose burst was whole again before a time.

    Networks come and go, so they would pile up. Returns how many.
    """
    return conn.execute("DELETE FROM api_rates WHERE tat < %s", (before,)).rowcount
