"""The relay: sends what the outbox holds, in order, alone."""

from typing import Final

from psycopg import Connection

from domain.jobs import outbox
from infra.kafka import Message, Producer

BATCH: Final = 1000


class Relay:
    """Sends the messages of the outbox and deletes what was sent."""

    channel = outbox.CHANNEL
    interval_s = 1.0

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def step(self, conn: Connection) -> bool:
        """Send the lowest ids there are; return whether there may be more at once.

        A crash between sending and deleting sends them again, under the same event ids.
        """
        rows = outbox.head(conn, BATCH)
        if rows:
            self._producer.send_all(
                [
                    Message(row.message.topic, row.message.key.encode(), row.message.body)
                    for row in rows
                ]
            )
            outbox.delete(conn, [row.id for row in rows])
        return len(rows) == BATCH
