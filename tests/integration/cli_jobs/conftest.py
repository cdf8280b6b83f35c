"""Jobs of a test's own, at the machine's time, and `picmend` on the servers that have them."""

# ruff: noqa: PLC0415 - Kafka's client warns when it is imported, and a conftest is too early

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.pipeline.pipeline_world import SetClock, World

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.kafka import KafkaPythonProducer
    from infra.stack import Stack
    from infra.stack.isolation import Broker, Bucket, Database

Command = Callable[..., "Result"]


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with psycopg.connect(database.app_url) as conn:
        yield World(database.app_url, conn, SetClock(datetime.now(UTC)))


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def producer(kafka: Broker) -> Iterator[KafkaPythonProducer]:
    from infra.kafka import KafkaPythonProducer

    producer = KafkaPythonProducer(kafka.bootstrap, client_id="test")
    yield producer
    producer.close()


@pytest.fixture
def picmend(stack: Stack, database: Database, bucket: Bucket) -> Command:
    """Run a command of `picmend` on this test's database and bucket."""
    from typer.testing import CliRunner

    from cli.main import app

    environment = {
        **stack.environment,
        "PICMEND_DATABASE_URL": database.app_url,
        "PICMEND_BUCKET": bucket.name,
        "COLUMNS": "220",
    }

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment)

    return run
