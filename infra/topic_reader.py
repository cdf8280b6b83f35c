"""Reading a topic from its beginning to where it ends now, outside of any consumer group."""

import time
from collections.abc import Iterator
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from infra.kafka import RECONNECT_MS, BrokerUnavailableError, Message

_SILENCE_S: Final = 15.0
_POLL_MS: Final = 500


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

    def read(self, topic: str) -> Iterator[Message]:
        """Yield what lies on a topic at this moment, in order within each partition."""
        try:
            yield from self._read(topic)
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka does not give {topic}: {error!r}") from error

    def _read(self, topic: str) -> Iterator[Message]:
        partitions = [
            TopicPartition(topic, number)
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._consumer.assign(partitions)
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        self._consumer.seek_to_beginning()
        heard = time.monotonic()
        while any(self._consumer.position(at) < end for at, end in ends.items()):
            for at, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
                heard = time.monotonic()
                for record in records:
                    if record.offset < ends[at]:
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
