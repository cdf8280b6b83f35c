"""How far consumer groups have come, and how far they are behind."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorError,
)
from kafka.structs import OffsetAndMetadata

from infra.kafka import BrokerUnavailableError
from schemas.operations import OperationName
from schemas.topics import JOB_EVENTS, JOB_REQUESTS, JOB_RESULTS, OBJECT_EVENTS, USAGE, work

_COORDINATOR_S: Final = 15.0
_NOT_YET: Final = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group and the topics it reads."""

    name: str
    topics: tuple[str, ...]


STREAMS: Final = Group("picmend", (OBJECT_EVENTS, JOB_REQUESTS, JOB_RESULTS, USAGE, JOB_EVENTS))
WORKERS: Final = Group("picmend-workers", tuple(work(operation) for operation in OperationName))


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """One group on one topic: messages committed and messages ahead, over all partitions."""

    group: str
    topic: str
    committed: int
    lag: int


class LagReader:
    """Reads the progress of groups over kept connections; not for several threads.

    Making one raises `BrokerUnavailableError` when no broker answers.
    """

    def __init__(self, bootstrap: str) -> None:
        options: dict[str, object] = {
            "bootstrap_servers": bootstrap.split(","),
            "client_id": "picmend-lag",
            "request_timeout_ms": 5000,
            "reconnect_backoff_max_ms": 1000,
        }
        _require_broker(bootstrap)
        with _told_as_unavailable():
            self._admin = KafkaAdminClient(**options, bootstrap_timeout_ms=5000)
            try:
                self._consumer = KafkaConsumer(**options, enable_auto_commit=False)
            except KafkaError:
                self._admin.close()
                raise

    def read(self, group: Group) -> tuple[TopicProgress, ...]:
        """Return the group's progress on each topic; what it never committed is all ahead.

        Raises `BrokerUnavailableError` when the broker does not answer in time.
        """
        with _told_as_unavailable():
            return self._read(group)

    def _read(self, group: Group) -> tuple[TopicProgress, ...]:
        committed = self._committed(group.name)
        partitions = [
            TopicPartition(topic, number)
            for topic in group.topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        first: dict[TopicPartition, int] = self._consumer.beginning_offsets(partitions)
        last: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        return tuple(
            TopicProgress(
                group=group.name,
                topic=topic,
                committed=sum(committed.get(p, 0) for p in partitions if p.topic == topic),
                lag=sum(
                    max(0, last[p] - max(first[p], committed.get(p, 0)))
                    for p in partitions
                    if p.topic == topic
                ),
            )
            for topic in group.topics
        )

    def _committed(self, group: str) -> dict[TopicPartition, int]:
        # A fresh broker makes its topic of offsets when it is first asked for a coordinator.
        deadline = time.monotonic() + _COORDINATOR_S
        while True:
            try:
                answer: dict[str, dict[TopicPartition, OffsetAndMetadata]] = (
                    self._admin.list_group_offsets(group)
                )
            except _NOT_YET:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                break
        return {
            partition: int(position.offset)
            for partition, position in answer[group].items()
            if position.offset >= 0
        }

    def close(self) -> None:
        """End the connections."""
        self._consumer.close(autocommit=False)
        self._admin.close()


@contextmanager
def _told_as_unavailable() -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka does not tell offsets: {error!r}") from error


def _require_broker(bootstrap: str) -> None:
    # A client that finds no broker leaves the sockets of its attempts open behind it.
    for address in bootstrap.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=3.0).close()
        except OSError:
            continue
        return
    raise BrokerUnavailableError(f"nothing answers at {bootstrap}")
