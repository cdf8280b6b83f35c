"""The streams' parts, by hand, on this test's own database and bucket."""

# ruff: noqa: PLC0415 - Kafka's client warns when it is imported, and a conftest is too early

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.kafka import KafkaPythonProducer
    from infra.stack.isolation import Broker, Database
    from infra.topic_reader import TopicReader
    from tests.integration.streams.streams_world import World


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    from infra.postgres import open_pool
    from tests.integration.streams.streams_world import TurnedClock, World

    pool = open_pool(database.app_url, size=4, name="test")
    yield World(database, pool, TurnedClock())
    pool.close()


@pytest.fixture
def producer(kafka: Broker) -> Iterator[KafkaPythonProducer]:
    from infra.kafka import KafkaPythonProducer

    producer = KafkaPythonProducer(kafka.bootstrap, client_id="test")
    yield producer
    producer.close()


@pytest.fixture
def reader(kafka: Broker) -> Iterator[TopicReader]:
    from infra.topic_reader import TopicReader

    reader = TopicReader(kafka.bootstrap, client_id="test")
    yield reader
    reader.close()
