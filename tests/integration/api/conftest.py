"""The API served for real, on a database and a bucket of these tests; each has its account."""

# ruff: noqa: PLC0415 - the stack is imported only by the tests that use it

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.api.api_world import Client, World, serving

if TYPE_CHECKING:
    from infra.stack import Stack


@pytest.fixture(scope="session")
def world(stack: Stack, database_template: str) -> Iterator[World]:
    from infra.stack.isolation import own_bucket, own_database
    from infra.stack.stack import settings_of

    with (
        own_database(stack.settings(), database_template) as database,
        own_bucket(stack.settings()) as bucket,
    ):
        settings = settings_of(
            {
                **stack.environment,
                "PICMEND_DATABASE_URL": database.app_url,
                "PICMEND_MIGRATIONS_URL": database.owner_url,
                "PICMEND_BUCKET": bucket.name,
                # So that a test can come from a network of its own.
                "PICMEND_TRUSTED_PROXIES": "127.0.0.0/8",
            }
        )
        with serving(settings) as served:
            own = World(settings, bucket, served)
            yield own
            own.close()


@pytest.fixture
def client(world: World) -> Client:
    return world.client()
