"""Jobs of this test's own; every test leaves them, the outbox and the ledger sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.pipeline.pipeline_world import World

if TYPE_CHECKING:
    from infra.stack.isolation import Database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with psycopg.connect(database.app_url, options="-c lock_timeout=20s") as conn:
        own = World(database.app_url, conn)
        yield own
        own.assert_sound()
