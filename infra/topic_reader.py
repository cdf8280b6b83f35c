"""Reading a topic, or a span of it, up to where it ends now, outside of any consumer group."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from infra.kafka import RECONNECT_MS, BrokerUnavailableError, Message

_SILENCE_S: Final = 15.0
_POLL_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Span:
    """What of a topic is meant: all of it, unless one of these narrows it.

    `key` is the key whose partition is meant, as our producers choose it; an object store's
    may choose another. `since` and `until` are by when messages were stored. `beyond` tells by
    partition from which offset on; partitions that it lacks are read from their beginning.
    """

    key: bytes | None = None
    since: datetime | None = None
    until: datetime | None = None
    beyond: Mapping[int, int] | None = None


class TopicReader:
    """Looks at topics and leaves no trace there. Used by one thread, one reading at a time.

    Making one, and every method, raises `BrokerUnavailableError`.
    """

    def __init__(self, bootstrap: str, *, client_id: str) -> None:
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=bootstrap.split(","),
                client_id=client_id,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                bootstrap_timeout_ms=3_000,
                request_timeout_ms=5_000,
                fetch_max_wait_ms=100,
                reconnect_backoff_max_ms=RECONNECT_MS,
            )
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka does not answer: {error!r}") from error

    def topics(self) -> set[str]:
        """Return the names of the topics that there are."""
        try:
            names: set[str] = self._consumer.topics()
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka does not tell its topics: {error!r}") from error
        return names

    def read(self, topic: str, span: Span | None = None) -> Iterator[Message]:
        """Yield what lies on a topic at this moment, in order within each partition."""
        with _told(topic):
            yield from self._read(topic, self._bounds(topic, span or Span()))

    def count(self, topic: str, span: Span | None = None) -> int:
        """Return how many messages `read` would yield now, or somewhat more."""
        with _told(topic):
            return sum(end - start for start, end in self._bounds(topic, span or Span()).values())

    def ends(self, topic: str) -> dict[int, int]:
        """Return, by partition, the offset that the next message of a topic will have."""
        with _told(topic):
            numbers = self._consumer.partitions_for_topic(topic) or ()
            asked = [TopicPartition(topic, number) for number in numbers]
            ends: dict[TopicPartition, int] = self._consumer.end_offsets(asked)
            return {at.partition: end for at, end in ends.items()}

    def _bounds(self, topic: str, span: Span) -> dict[TopicPartition, tuple[int, int]]:
        """Return from where up to, without, where to read in each partition that has something."""
        numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
        if span.key is not None and numbers:
            # As the producer does, and Kafka's own in Java.
            numbers = [numbers[(murmur2(span.key) & 0x7FFFFFFF) % len(numbers)]]
        partitions = [TopicPartition(topic, number) for number in numbers]
        starts: dict[TopicPartition, int] = self._consumer.beginning_offsets(partitions)
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        if span.since is not None:
            starts = self._at(partitions, span.since, or_else=ends)
        if span.beyond is not None:
            starts = {
                at: max(start, span.beyond.get(at.partition, 0)) for at, start in starts.items()
            }
        if span.until is not None:
            ends = self._at(partitions, span.until, or_else=ends)
        return {at: (starts[at], ends[at]) for at in partitions if starts[at] < ends[at]}

    def _at(
        self,
        partitions: Sequence[TopicPartition],
        moment: datetime,
        *,
        or_else: dict[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        """Return the offset of the first message of each partition that is not older."""
        asked = dict.fromkeys(partitions, int(moment.timestamp() * 1000))
        found = self._consumer.offsets_for_times(asked)
        return {at: found[at].offset if found[at] else or_else[at] for at in partitions}

    def _read(self, topic: str, bounds: dict[TopicPartition, tuple[int, int]]) -> Iterator[Message]:
        self._consumer.assign(list(bounds))
        for at, (start, _) in bounds.items():
            self._consumer.seek(at, start)
        heard = time.monotonic()
        while any(self._consumer.position(at) < end for at, (_, end) in bounds.items()):
            for at, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
                heard = time.monotonic()
                for record in records:
                    if record.offset < bounds[at][1]:
                        yield Message(
                            topic=record.topic,
                            key=record.key,
                            value=record.value or b"",
                            headers=tuple((name, value or b"") for name, value in record.headers),
                            partition=record.partition,
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                        )
            if time.monotonic() - heard > _SILENCE_S:
                raise BrokerUnavailableError(f"Kafka gave nothing of {topic} for {_SILENCE_S} s")

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False)


@contextmanager
def _told(topic: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka does not give {topic}: {error!r}") from error
