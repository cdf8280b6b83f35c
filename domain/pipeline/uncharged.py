"""How many holds are late to close, counted in the database.

`domain.pipeline.check` names them, and for that reads every open hold; this is for looking every
few seconds. It is one statement over the tables of two modules, read-only, since a backlog of
open holds need not cross the wire to be counted.
"""

from datetime import datetime

from psycopg import Connection


def count_stale_holds(conn: Connection, *, ended_before: datetime) -> int:
    """Return how many open holds are of jobs that ended before a moment."""
    row = conn.execute(
        "SELECT count(*) FROM holds JOIN jobs ON jobs.id = holds.job_id"
        " WHERE holds.state = 'open' AND jobs.ended_at < %s",
        (ended_before,),
    ).fetchone()
    return int(row[0]) if row else 0
