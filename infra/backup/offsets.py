"""Where topics and consumer groups stood when a backup was made, and setting groups back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, NoError
from kafka.structs import OffsetAndMetadata

from infra.backup import NotEmptyError
from infra.backup.manifest import PartitionEnds
from infra.kafka import RECONNECT_MS, BrokerUnavailableError
from infra.kafka_lag import STREAMS, WORKERS
from infra.kafka_topics import SOURCE_TOPICS

GROUPS: Final = (STREAMS, WORKERS)

Offsets = Mapping[str, Mapping[int, int]]
"""Offsets by topic and partition."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that a group had not read when the backup was made, and that are gone.

    `foreign`: the partition ends before the noted offset, so it is not the one of the backup.
    """

    group: str
    topic: str
    partition: int
    noted: int
    found: int
    foreign: bool


class Offsetter:
    """Reads and sets offsets. Making one, and each method, raises `BrokerUnavailableError`."""

    def __init__(self, bootstrap: str) -> None:
        options: dict[str, object] = {
            "bootstrap_servers": bootstrap.split(","),
            "client_id": "picmend-backup",
            "request_timeout_ms": 10_000,
            "reconnect_backoff_max_ms": RECONNECT_MS,
            "bootstrap_timeout_ms": 5_000,
        }
        with _told():
            self._admin = KafkaAdminClient(**options)
            try:
                self._consumer = KafkaConsumer(**options, enable_auto_commit=False)
            except KafkaError:
                self._admin.close()
                raise

    def ends(self) -> dict[str, dict[int, PartitionEnds]]:
        """Return from where to where each source topic can be read now."""
        with _told():
            partitions = [
                TopicPartition(topic.name, number)
                for topic in SOURCE_TOPICS
                for number in sorted(self._consumer.partitions_for_topic(topic.name) or ())
            ]
            first: dict[TopicPartition, int] = self._consumer.beginning_offsets(partitions)
            last: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        found: dict[str, dict[int, PartitionEnds]] = {}
        for at in partitions:
            found.setdefault(at.topic, {})[at.partition] = PartitionEnds(
                start=first[at], end=last[at]
            )
        return found

    def committed(self) -> dict[str, dict[str, dict[int, int]]]:
        """Return where each of picmend's groups would go on, by group, topic and partition."""
        found: dict[str, dict[str, dict[int, int]]] = {}
        for group in GROUPS:
            with _told():
                answer: dict[str, dict[TopicPartition, OffsetAndMetadata]] = (
                    self._admin.list_group_offsets(group.name)
                )
            topics = found.setdefault(group.name, {})
            for at, position in answer[group.name].items():
                if position.offset >= 0:
                    topics.setdefault(at.topic, {})[at.partition] = int(position.offset)
        return found

    def require_idle(self) -> None:
        """Return if nobody reads as one of the groups. Raises `NotEmptyError`."""
        with _told():
            found: list[dict[str, object]] = self._admin.list_groups()
        states = {str(group["group_id"]): group["group_state"] for group in found}
        busy = [g.name for g in GROUPS if states.get(g.name, "Empty") not in ("Empty", "Dead")]
        if busy:
            raise NotEmptyError(
                f"processes read as {', '.join(busy)}; stop every streams and worker first (one"
                " that was killed leaves its group after 8 s)"
            )

    def set_back(
        self, noted: Mapping[str, Offsets], ends: Mapping[str, Mapping[int, PartitionEnds]]
    ) -> list[Gap]:
        """Let each group go on where it was noted; what it never committed, from the beginning.

        Returns what it can no longer read. Raises `NotEmptyError` while a group has members.
        """
        gaps: list[Gap] = []
        for group in GROUPS:
            wanted: dict[TopicPartition, OffsetAndMetadata] = {}
            for topic in group.topics:
                for number, there in ends.get(topic, {}).items():
                    at = noted.get(group.name, {}).get(topic, {}).get(number, 0)
                    foreign = at > there.end
                    to = there.start if foreign else max(at, there.start)
                    if foreign or to > at > 0:
                        gaps.append(Gap(group.name, topic, number, at, to, foreign))
                    wanted[TopicPartition(topic, number)] = OffsetAndMetadata(to, "", -1)
            self._set(group.name, wanted)
        return gaps

    def _set(self, group: str, wanted: dict[TopicPartition, OffsetAndMetadata]) -> None:
        with _told():
            answers: dict[TopicPartition, type[KafkaError]] = self._admin.alter_group_offsets(
                group, wanted
            )
        refused = {answer.__name__ for answer in answers.values() if answer is not NoError}
        if refused:
            raise NotEmptyError(
                f"the offsets of group {group} cannot be set ({', '.join(sorted(refused))}); stop"
                " every process that reads as this group"
            )

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False)
        self._admin.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka does not tell offsets: {error!r}") from error
