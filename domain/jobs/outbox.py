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


def put(conn: Connection, messages: Sequence[Message], at: datetime) -> None:
    """Add messages, in this order, and wake the relay when the transaction commits."""
    if not messages:
        return
    conn.execute(
        "WITH put AS (INSERT INTO outbox (topic, key, body, at)"
        " SELECT topic, key, body, %s"
        " FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS m (topic, key, body))"
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
