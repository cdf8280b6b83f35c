"""An operator's word that a consumer may put more among the dead letters than its cap allows.

An allowance is a message on the dead-letter topic, with a header `allows` that tells how many.
It is good for `GOOD_FOR`, and each letter behind it takes one away; a newer one replaces it. So
what is left of it can be told by the topic alone, whichever process asks.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Protocol

from infra.clock import Clock
from infra.kafka import Message, Producer
from infra.topic_reader import Span, TopicReader
from schemas import topics

GOOD_FOR: Final = timedelta(hours=1)

_ALLOWS: Final = "allows"


class Allowances(Protocol):
    """Tells what consumers are allowed."""

    def left(self, source: str) -> int:
        """Return how many more messages of a topic may be put among the dead letters.

        Raises `BrokerUnavailableError`.
        """
        ...


class NoAllowances:
    """Allows nothing beyond the cap."""

    def left(self, source: str) -> int:  # noqa: ARG002 - the protocol's signature
        """See `Allowances`."""
        return 0


class KafkaAllowances:
    """`Allowances` as they lie on the dead-letter topics. Used by any thread."""

    def __init__(self, bootstrap: str, clock: Clock) -> None:
        self._bootstrap = bootstrap
        self._clock = clock

    def left(self, source: str) -> int:
        """See `Allowances`."""
        reader = TopicReader(self._bootstrap, client_id="picmend-allowances")
        try:
            span = Span(since=self._clock.now() - GOOD_FOR)
            return remaining(reader.read(topics.dlq(source), span))
        finally:
            reader.close()


def remaining(messages: Iterable[Message]) -> int:
    """Return what is left of the last allowance among a dead-letter topic's messages."""
    left = 0
    for message in messages:
        names = {name for name, _ in message.headers}
        if (allowed := allowance(message)) is not None:
            left = allowed
        elif "reason" in names:
            left = max(0, left - 1)
    return left


def allowance(message: Message) -> int | None:
    """Return how many letters a message allows; None when it is no allowance."""
    for name, value in message.headers:
        if name == _ALLOWS and value.isdigit():
            return int(value)
    return None


def allow(producer: Producer, source: str, count: int) -> None:
    """Let consumers of a topic put `count` more messages among its dead letters, from now on.

    Raises `BrokerUnavailableError`.
    """
    header = (_ALLOWS, str(count).encode())
    producer.send_all([Message(topics.dlq(source), None, b"", (header,))])
