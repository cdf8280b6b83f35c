"""Plans: what an account is on. A plan's limits are admission's; here are its name and weight."""

import re
from collections.abc import Sequence
from typing import Final

from psycopg import Connection

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""How a plan may be called."""


class PlanUnknownError(LookupError):
    """No plan has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no plan {name!r}; there are {', '.join(known)}")


def weights(conn: Connection) -> dict[str, int]:
    """Return the plans, each with its weight in the queue."""
    rows = conn.execute("SELECT name, weight FROM plans ORDER BY weight, name").fetchall()
    found: dict[str, int] = dict(rows)
    return found


def require(conn: Connection, name: str) -> None:
    """Return if there is a plan of that name. Raises `PlanUnknownError`."""
    known = weights(conn)
    if name not in known:
        raise PlanUnknownError(name, list(known))


def put(conn: Connection, name: str, *, weight: int) -> None:
    """Add a plan, or change its weight (1 to 1000). Its name is such as `NAME` allows."""
    conn.execute(
        "INSERT INTO plans (name, weight) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET weight = excluded.weight",
        (name, weight),
    )
