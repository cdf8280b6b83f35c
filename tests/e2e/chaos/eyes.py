"""What an operator sees of a system whose servers come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString, TypeVar

import psycopg
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka_lag import Group

T = TypeVar("T")

_UNDER_WAY: LiteralString = """
SELECT
    (SELECT count(*) FROM jobs WHERE ended_at IS NULL),
    (SELECT count(*) FROM holds WHERE state = 'open'),
    (SELECT count(*) FROM outbox),
    (SELECT count(*) FROM jobs WHERE origin = 'object' AND retry_of IS NULL)
"""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What is unfinished in the database, and how many uploads have a job in it."""

    jobs: int
    holds: int
    messages: int
    known_uploads: int

    def finished(self, uploads: int) -> bool:
        """Tell whether so many uploads have jobs, and nothing is left to be done."""
        return (self.jobs, self.holds, self.messages) == (0, 0, 0) and self.known_uploads >= uploads


class Eyes:
    """Looks at the database through its restarts. May be used by several threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._conn: psycopg.Connection | None = None

    def under_way(self) -> UnderWay | None:
        """Return what is unfinished; None while the database is away."""
        return self.look(lambda conn: conn.execute(_UNDER_WAY).fetchone(), UnderWay)

    def outbox_waits(self) -> bool:
        """Tell whether the outbox holds a message at this moment."""
        query: LiteralString = "SELECT EXISTS (SELECT FROM outbox)"
        return bool(self.look(lambda conn: conn.execute(query).fetchone(), bool))

    def look(
        self,
        ask: Callable[[psycopg.Connection], tuple[object, ...] | None],
        made: Callable[..., T],
    ) -> T | None:
        """Return what is `made` of a row that is asked for; None while the database is away."""
        with self._lock:
            try:
                if self._conn is None:
                    self._conn = psycopg.connect(self._url, autocommit=True, connect_timeout=2)
                row = ask(self._conn)
            except psycopg.OperationalError:
                self._forget()
                return None
        return made(*(row or ()))

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._conn is not None:
            with suppress(psycopg.Error):
                self._conn.close()
            self._conn = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands on one partition: the offset it committed, and messages ahead."""

    committed: int
    lag: int


class Commits:
    """Reads a group's offsets, partition by partition. Used by one thread."""

    def __init__(self, bootstrap: str) -> None:
        options: dict[str, object] = {
            "bootstrap_servers": bootstrap.split(","),
            "request_timeout_ms": 5000,
            "reconnect_backoff_max_ms": 500,
        }
        self._admin = KafkaAdminClient(**options)
        self._consumer = KafkaConsumer(**options, enable_auto_commit=False)

    def read(self, group: Group) -> Mapping[tuple[str, int], Standing] | None:
        """Return where the group stands on each partition; None while Kafka is away."""
        try:
            noted = self._admin.list_group_offsets(group.name)[group.name]
            partitions = [
                TopicPartition(topic, number)
                for topic in group.topics
                for number in self._consumer.partitions_for_topic(topic) or ()
            ]
            ends: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        except KafkaError:
            return None
        committed = {at: max(0, noted[at].offset) if at in noted else 0 for at in partitions}
        return {
            (at.topic, at.partition): Standing(committed[at], max(0, ends[at] - committed[at]))
            for at in partitions
        }

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False)
        self._admin.close()
