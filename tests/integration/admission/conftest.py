"""Accounts of a test's own, at the machine's time, and `picmend` on the database that has them."""

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

    from infra.stack import Stack
    from infra.stack.isolation import Database

Command = Callable[..., "Result"]


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with psycopg.connect(database.app_url) as conn:
        own = World(database.app_url, conn, SetClock(datetime.now(UTC)))
        yield own
        own.assert_sound()


@pytest.fixture
def picmend(stack: Stack, database: Database) -> Command:
    """Run a command of `picmend` on this test's database."""
    from typer.testing import CliRunner

    from cli.main import app

    environment = {**stack.environment, "PICMEND_DATABASE_URL": database.app_url, "COLUMNS": "220"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment)

    return run
