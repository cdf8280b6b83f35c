"""The outbox: messages written in the transaction that causes them, sent by the relay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

CHANNEL = "picmend_outbox"
"""Postgres channel that is notified when rows were added."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent: a topic, a key, a body."""

    topic: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A message that waits, with its place in the line."""

    id: int
    message: Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages wait, and since when the oldest does; None when none waits."""

    count: int
    oldest: datetime | None


def put(conn: Connection, messages: Sequence[Message], at: datetime) -> None:
    """Add messages, in this order, and wake the relay when the transaction commits."""
    if not messages:
        return
    conn.execute(
        "WITH put AS (INSERT INTO outbox (topic, key, body, at)"
        " SELECT topic, key, body, %s"
        " FROM unnest(%b::text[], %b::text[], %b::bytea[]) AS m (topic, key, body))"
        " SELECT pg_notify(%s, '')",
        (
            at,
            [message.topic for message in messages],
            [message.key for message in messages],
            [message.body for message in messages],
            CHANNEL,
        ),
    )


def head(conn: Connection, limit: int) -> list[Row]:
    """Return the messages with the lowest ids."""
    rows = conn.execute(
        "SELECT id, topic, key, body FROM outbox ORDER BY id LIMIT %s", (limit,)
    ).fetchall()
    return [Row(id_, Message(topic, key, body)) for id_, topic, key, body in rows]


def delete(conn: Connection, ids: Sequence[int]) -> None:
    """Remove messages that were sent."""
    conn.execute("DELETE FROM outbox WHERE id = ANY(%s)", (list(ids),))


def waiting(conn: Connection) -> Waiting:
    """Return how much waits to be sent."""
    row = conn.execute("SELECT count(*), min(at) FROM outbox").fetchone()
    return Waiting(*row) if row else Waiting(0, None)


def about(conn: Connection, job_id: str) -> list[tuple[Row, datetime]]:
    """Return the messages about a job that wait, with when each was put there, in order.

    Every body names its job as the event's subject. Reads all that waits.
    """
    rows = conn.execute(
        "SELECT id, topic, key, body, at FROM outbox"
        " WHERE position(convert_to(%s, 'UTF8') IN body) > 0 ORDER BY id",
        (f'"subject":"{job_id}"',),
    ).fetchall()
    return [(Row(id_, Message(topic, key, body)), at) for id_, topic, key, body, at in rows]
