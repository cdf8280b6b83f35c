"""Fixtures of every test: one stack of real servers per run, started when first asked for.

Tests under `tests/unit` get none of it: their sockets are closed, and nothing of the stack is
imported for them.
"""

# ruff: noqa: PLC0415 - the stack is imported only by the tests that use it

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings
    from infra.stack import Stack
    from infra.stack.isolation import Broker, Bucket, Database

_UNIT = Path(__file__).parent / "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let unit tests run first: sockets closed for them are closed for the stack's threads too."""
    items.sort(key=lambda item: not item.path.is_relative_to(_UNIT))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close sockets for unit tests; event loops may still make their own pair."""
    if item.path.is_relative_to(_UNIT):
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:
        pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka with every topic, Postgres migrated, an object store: for the whole run."""
    from infra.stack import open_stack

    with open_stack(tmp_path_factory.mktemp("stack"), durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def database_template(stack: Stack) -> str:
    """The name of a migrated database from which each test's own is copied."""
    from infra.stack.isolation import make_template

    return make_template(stack.settings())


class _DatabasesAhead:
    """Copies of a template, each made while the test before it runs, and dropped likewise.

    To make one and to drop it takes longer than most tests that use it.
    """

    def __init__(self, settings: Settings, template: str) -> None:
        self._settings = settings
        self._template = template
        self._hand = ThreadPoolExecutor(1)
        self._dropped: list[Future[None]] = []
        self._next = self._hand.submit(self._make)

    @contextmanager
    def one(self) -> Iterator[Database]:
        """Give the one that was made, or is about to be."""
        database, leaving = self._next.result()
        self._next = self._hand.submit(self._make)
        try:
            yield database
        finally:
            self._dropped.append(self._hand.submit(leaving.close))

    def close(self) -> None:
        """Drop the last one. Raises what went wrong when others were dropped."""
        _, leaving = self._next.result()
        self._dropped.append(self._hand.submit(leaving.close))
        self._hand.shutdown()
        for dropped in self._dropped:
            dropped.result()

    def _make(self) -> tuple[Database, ExitStack]:
        from infra.stack.isolation import own_database

        leaving = ExitStack()
        return leaving.enter_context(own_database(self._settings, self._template)), leaving


@pytest.fixture(scope="session")
def _databases(stack: Stack, database_template: str) -> Iterator[_DatabasesAhead]:
    databases = _DatabasesAhead(stack.settings(), database_template)
    try:
        yield databases
    finally:
        databases.close()


@pytest.fixture
def database(_databases: _DatabasesAhead) -> Iterator[Database]:
    """A migrated, empty database of this test alone."""
    with _databases.one() as own:
        yield own


@pytest.fixture
def bucket(stack: Stack) -> Iterator[Bucket]:
    """An empty bucket of this test alone, with a root client."""
    from infra.stack.isolation import own_bucket

    with own_bucket(stack.settings()) as own:
        yield own


@pytest.fixture
def kafka(stack: Stack) -> Broker:
    """The broker; `new_topic` makes topics of this test alone."""
    from infra.stack.isolation import Broker

    return Broker(stack.settings().kafka_bootstrap)


@pytest.fixture
def settings(stack: Stack, database: Database, bucket: Bucket) -> Settings:
    """The settings of a process that uses this test's own database and bucket."""
    from infra.stack.stack import settings_of

    return settings_of(
        {
            **stack.environment,
            "PICMEND_DATABASE_URL": database.app_url,
            "PICMEND_MIGRATIONS_URL": database.owner_url,
            "PICMEND_BUCKET": bucket.name,
        }
    )
