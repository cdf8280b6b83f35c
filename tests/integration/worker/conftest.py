"""A worker's world of this test's own: database, bucket and consumer groups."""

# ruff: noqa: PLC0415 - Kafka's client warns when imported, before the filter for it is set

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from infra.settings import Settings
    from infra.stack.isolation import Database
    from schemas.ids import AccountId
    from tests.integration.worker.worker_world import WorkerWorld


@pytest.fixture
def world(settings: Settings, database: Database) -> Iterator[WorkerWorld]:
    from tests.integration.pipeline.pipeline_world import World
    from tests.integration.worker.worker_world import WorkerWorld, now

    with psycopg.connect(database.app_url) as conn, ExitStack() as closing:
        yield WorkerWorld.build(settings, World(database.app_url, conn, now()), closing)


@pytest.fixture
def account(world: WorkerWorld) -> AccountId:
    return world.jobs.account()
