"""Messages that can never be handled, kept untouched on `<topic>.dlq` with their reason."""

from enum import StrEnum
from typing import Final

from infra.clock import Clock
from infra.kafka import Message, Producer
from schemas import topics

MAX_ERROR: Final = 1000


class DeadReason(StrEnum):
    """Why a message went there."""

    UNREADABLE = "unreadable"
    REFUSED = "refused"


class DeadLetters:
    """Puts messages on the dead-letter topic of the topic that they came from."""

    def __init__(self, producer: Producer, clock: Clock) -> None:
        self._producer = producer
        self._clock = clock

    def put(
        self, message: Message, *, reason: DeadReason, error: str, attempt: int, schema: str
    ) -> None:
        """Return when the message is stored there, its bytes and key as they came.

        `attempt` is how often it was tried, `schema` what it should have been. Raises
        `BrokerUnavailableError`.
        """
        facts = {
            "reason": reason,
            "topic": message.topic,
            "partition": str(message.partition),
            "offset": str(message.offset),
            "error": error[:MAX_ERROR],
            "attempt": str(attempt),
            "first-seen": self._clock.now().isoformat(),
            "schema": schema,
        }
        dead = Message(
            topic=topics.dlq(message.topic),
            key=message.key,
            value=message.value,
            headers=tuple(
                (name, value.encode("utf-8", "backslashreplace")) for name, value in facts.items()
            ),
        )
        self._producer.send_all([dead])
