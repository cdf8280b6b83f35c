"""The relay: sends what the outbox holds, in order, alone."""

import json
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from psycopg import Connection

from domain.jobs import outbox
from infra import metrics, tracing
from infra.kafka import Message, Producer
from schemas.ids import is_job_id

BATCH: Final = 1000


class Relay:
    """Sends the messages of the outbox and deletes what was sent."""

    channel = outbox.CHANNEL
    interval_s = 1.0

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._messages = metrics.BATCH_MESSAGES.labels("relay")
        self._seconds = metrics.BATCH_SECONDS.labels("relay")

    def step(self, conn: Connection) -> bool:
        """Send the lowest ids there are; return whether there may be more at once.

        A crash between sending and deleting sends them again, under the same event ids.
        """
        rows = outbox.head(conn, BATCH)
        if rows:
            begun, begun_ns = perf_counter(), tracing.now_ns()
            self._producer.send_all(
                [
                    Message(row.message.topic, row.message.key.encode(), row.message.body)
                    for row in rows
                ]
            )
            outbox.delete(conn, [row.id for row in rows])
            self._messages.observe(len(rows))
            self._seconds.observe(perf_counter() - begun)
            if tracing.on():
                _trace([row.message for row in rows], begun_ns)
        return len(rows) == BATCH


def _trace(sent: Sequence[outbox.Message], begun_ns: int) -> None:
    for message in sent:
        subject = json.loads(message.body)["subject"]
        if is_job_id(subject):
            tracing.tell_sent(subject, message.topic, begun_ns=begun_ns)
