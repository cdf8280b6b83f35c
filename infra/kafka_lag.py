"""How far consumer groups have come, and how far they are behind."""

import socket
import time
from collections.abc import Collection, Iterator, Mapping
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
_FETCH_S: Final = 3.0
_FETCH_BYTES: Final = 128 * 1024
"""What one partition gives at a time, of which one message is wanted; a larger one comes whole."""
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
    """One group on one topic: messages committed and messages ahead, over all partitions.

    `oldest_ms` is the time, in milliseconds since 1970, that the oldest message ahead carries;
    None when there is none, or it was not asked for.
    """

    group: str
    topic: str
    committed: int
    lag: int
    oldest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a group stands in a partition: the next offset it will read, and the end."""

    committed: int
    next: int
    end: int


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
                self._consumer = KafkaConsumer(
                    **options,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    fetch_max_wait_ms=100,
                    max_partition_fetch_bytes=_FETCH_BYTES,
                )
            except KafkaError:
                self._admin.close()
                raise
        self._times: dict[TopicPartition, tuple[int, int]] = {}

    def read(
        self,
        group: Group,
        *,
        ages: bool = False,
        held: Mapping[str, Collection[int]] | None = None,
    ) -> tuple[TopicProgress, ...]:
        """Return the group's progress on each topic; what it never committed is all ahead.

        With `held`, only these partitions, by topic, are counted. With `ages`, the oldest message
        ahead of each partition is looked at for its time; the group knows nothing of that. Raises
        `BrokerUnavailableError` when the broker does not answer in time.
        """
        with _told_as_unavailable():
            positions = {
                partition: at
                for partition, at in self._positions(group).items()
                if held is None or partition.partition in held.get(partition.topic, ())
            }
            times = self._oldest(positions) if ages else {}
        return tuple(
            TopicProgress(
                group=group.name,
                topic=topic,
                committed=sum(at.committed for p, at in positions.items() if p.topic == topic),
                lag=sum(at.end - at.next for p, at in positions.items() if p.topic == topic),
                oldest_ms=min((ms for p, ms in times.items() if p.topic == topic), default=None),
            )
            for topic in group.topics
        )

    def _positions(self, group: Group) -> dict[TopicPartition, _Position]:
        committed = self._committed(group.name)
        partitions = [
            TopicPartition(topic, number)
            for topic in group.topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        first: dict[TopicPartition, int] = self._consumer.beginning_offsets(partitions)
        last: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        positions = {}
        for partition in partitions:
            done = committed.get(partition, 0)
            start = max(first[partition], done)
            positions[partition] = _Position(done, start, max(start, last[partition]))
        return positions

    def _oldest(self, positions: dict[TopicPartition, _Position]) -> dict[TopicPartition, int]:
        """Return the time of the next message of each partition that has one.

        A message that was looked at before is not fetched again.
        """
        ahead = {p: at.next for p, at in positions.items() if at.end > at.next}
        for partition in positions:
            if self._times.get(partition, (None, 0))[0] != ahead.get(partition):
                self._times.pop(partition, None)
        unknown = {p: offset for p, offset in ahead.items() if p not in self._times}
        if unknown:
            self._fetch(unknown)
        return {p: self._times[p][1] for p in ahead if p in self._times}

    def _fetch(self, unknown: dict[TopicPartition, int]) -> None:
        self._consumer.assign(list(unknown))
        for partition, offset in unknown.items():
            self._consumer.seek(partition, offset)
        waiting = set(unknown)
        deadline = time.monotonic() + _FETCH_S
        while waiting and time.monotonic() < deadline:
            for partition, records in self._consumer.poll(timeout_ms=200, max_records=1).items():
                if partition in waiting:
                    self._times[partition] = (unknown[partition], int(records[0].timestamp))
                    waiting.discard(partition)
                    self._consumer.pause(partition)
        self._consumer.unsubscribe()

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
