"""Messages that can never be handled, kept untouched on `<topic>.dlq` with their reason.

A letter is never changed. That it is done with is told by another message behind it on the
same topic, a mark, whose header `done-of` names the letter's partition and offset. A mark is
younger than its letter, so retention never takes it first; and marking twice is harmless.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from infra import metrics
from infra.allowances import allowance
from infra.clock import Clock
from infra.kafka import Message, Producer
from infra.kafka_lag import STREAMS, WORKERS
from infra.topic_reader import TopicReader
from schemas import topics

MAX_ERROR: Final = 1000
_DONE_OF: Final = "done-of"


class DeadReason(StrEnum):
    """Why a message went there."""

    UNREADABLE = "unreadable"
    REFUSED = "refused"
    NEWER = "newer"
    """A newer version wrote it: to be replayed once that one reads the topic too."""


class DeadLetters:
    """Puts messages on the dead-letter topic of the topic that they came from."""

    def __init__(self, producer: Producer, clock: Clock) -> None:
        self._producer = producer
        self._clock = clock
        # Told as 0 before there are any: from then on the first one is seen as an increase.
        for topic in (*STREAMS.topics, *WORKERS.topics):
            for reason in DeadReason:
                metrics.DEAD_LETTERS.labels(topic, reason)

    def put(
        self, message: Message, *, reason: DeadReason, error: str, attempt: int, schema: str
    ) -> None:
        """Return when the message is stored there, its bytes and key as they came.

        `attempt` is how often it was tried, `schema` what it should have been. Raises
        `BrokerUnavailableError`, and `ValueError` for a message that is too large for Kafka
        once its headers are with it.
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
        metrics.DEAD_LETTERS.labels(message.topic, reason).inc()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a letter lies on its dead-letter topic."""

    partition: int
    offset: int


@dataclass(frozen=True)
class DeadLetter:
    """A message on a dead-letter topic. `headers` tell why; `message` is as it lies there."""

    message: Message

    @property
    def source(self) -> str:
        """Return the topic that it came from."""
        return self.message.topic.removesuffix(topics.DLQ_SUFFIX)

    @property
    def place(self) -> Place:
        """Return where it lies."""
        return Place(self.message.partition, self.message.offset)

    @property
    def at(self) -> datetime:
        """Return when it was put there."""
        return datetime.fromtimestamp(self.message.timestamp_ms / 1000, UTC)

    @cached_property
    def headers(self) -> dict[str, str]:
        """Return its headers; bytes that are no UTF-8 are shown as escapes."""
        return {
            name: value.decode("utf-8", "backslashreplace") for name, value in self.message.headers
        }

    @property
    def reason(self) -> str:
        """Return its reason: a `DeadReason`, unless a stranger put it there."""
        return self.headers.get("reason", "unknown")


class LetterBox:
    """What lies on the dead-letter topics, and what has been done with it.

    Every method raises `BrokerUnavailableError`. Readers deduplicate, so a letter that is
    replayed twice is harmless: a crash between sending it and marking it may do that.
    """

    def __init__(self, reader: TopicReader) -> None:
        self._reader = reader

    def sources(self) -> list[str]:
        """Return the topics that have a dead-letter topic."""
        return sorted(
            name.removesuffix(topics.DLQ_SUFFIX)
            for name in self._reader.topics()
            if name.endswith(topics.DLQ_SUFFIX)
        )

    def done(self, source: str) -> frozenset[Place]:
        """Return the places of the letters that were replayed or dropped."""
        marks = map(place_marked, self._reader.read(topics.dlq(source)))
        return frozenset(place for place in marks if place is not None)

    def letters(self, source: str) -> Iterator[DeadLetter]:
        """Yield every letter, done with or not, in order within each partition."""
        for message in self._reader.read(topics.dlq(source)):
            if place_marked(message) is None and allowance(message) is None:
                yield DeadLetter(message)

    def open(self, source: str) -> Iterator[DeadLetter]:
        """Yield the letters that nothing was done with."""
        done = self.done(source)
        return (letter for letter in self.letters(source) if letter.place not in done)


class Clerk:
    """Does something with letters, and marks them as done. Raises `BrokerUnavailableError`.

    A call handles what it is given as one: keep it to some hundreds.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def replay(self, letters: Sequence[DeadLetter]) -> None:
        """Send letters' bytes and keys, untouched, to the topic that they came from.

        Headers are left behind: they are the dead-letter topic's.
        """
        self._producer.send_all(
            [Message(one.source, one.message.key, one.message.value) for one in letters]
        )
        self._mark(letters, "replayed")

    def drop(self, letters: Sequence[DeadLetter]) -> None:
        """Mark letters as done without sending them anywhere."""
        self._mark(letters, "dropped")

    def _mark(self, letters: Sequence[DeadLetter], how: str) -> None:
        self._producer.send_all(
            [
                Message(
                    one.message.topic,
                    one.message.key,
                    b"",
                    (
                        (_DONE_OF, f"{one.place.partition}/{one.place.offset}".encode()),
                        ("done", how.encode()),
                    ),
                )
                for one in letters
            ]
        )


def place_marked(message: Message) -> Place | None:
    """Return the place of the letter that a message is the mark of; None for one that is none."""
    for name, value in message.headers:
        if name == _DONE_OF:
            partition, _, offset = value.partition(b"/")
            if partition.isdigit() and offset.isdigit():
                return Place(int(partition), int(offset))
    return None
