"""Worker processes: what each tells of itself, and how many jobs may be in flight for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from schemas.operations import OperationName

BEAT_S: Final = 5.0
"""How often a worker tells that it lives."""

DEAD_AFTER: Final = timedelta(seconds=15)
"""A worker that has not told for so long counts no more."""

FORGOTTEN_AFTER: Final = timedelta(hours=1)

SLOTS_TO_CAP: Final = 2
"""Jobs in flight per slot: one that runs, and one that is on its way."""

Slots = Mapping[OperationName, int]
"""How many jobs of each operation are run at once."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many jobs may be in flight: of each operation, and of all together."""

    operations: Slots
    in_all: int


def caps(live: Slots, *, least: Mapping[OperationName, int]) -> Caps:
    """Return the caps for the slots of all live workers together, none under `least`.

    That is what one worker would be given: there may be workers that do not tell of themselves,
    and the first one is to find work.
    """
    each = {
        operation: max(SLOTS_TO_CAP * live.get(operation, 0), least.get(operation, 0))
        for operation in {*live, *least}
    }
    return Caps(each, sum(each.values()))


def beat(conn: Connection, name: str, slots: Slots, at: datetime) -> bool:
    """Tell that a worker lives; return whether it is new, or was taken for dead."""
    row = conn.execute(
        "WITH before AS (SELECT seen_at FROM workers WHERE name = %(name)s), told AS ("
        " INSERT INTO workers (name, slots, seen_at) VALUES (%(name)s, %(slots)s, %(at)s)"
        " ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, seen_at = excluded.seen_at)"
        " SELECT coalesce((SELECT seen_at <= %(dead)s FROM before), true)",
        {"name": name, "slots": json.dumps(slots), "at": at, "dead": at - DEAD_AFTER},
    ).fetchone()
    return bool(row and row[0])


def leave(conn: Connection, name: str) -> None:
    """Tell that a worker takes no more work."""
    conn.execute("DELETE FROM workers WHERE name = %s", (name,))


def live_slots(conn: Connection, at: datetime) -> dict[OperationName, int]:
    """Return the slots of all workers that have told lately, by operation.

    A newer worker's operations that are not known here are left out.
    """
    rows = conn.execute(
        "SELECT s.operation, sum(s.slots::int) FROM workers w,"
        " jsonb_each_text(w.slots) AS s (operation, slots)"
        " WHERE w.seen_at > %s AND s.operation = ANY(%s) GROUP BY s.operation",
        (at - DEAD_AFTER, list(OperationName)),
    ).fetchall()
    return {OperationName(operation): int(slots) for operation, slots in rows}


def forget(conn: Connection, at: datetime) -> None:
    """Delete what workers told that are long gone."""
    conn.execute("DELETE FROM workers WHERE seen_at < %s", (at - FORGOTTEN_AFTER,))
