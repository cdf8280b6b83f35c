"""The API served for real, on this test's own database and bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from infra.settings import Settings
from tests.integration.api.api_world import Client, World, serving

if TYPE_CHECKING:
    from infra.stack.isolation import Bucket


@pytest.fixture
def world(settings: Settings, bucket: Bucket) -> Iterator[World]:
    with serving(settings) as served:
        own = World(settings, bucket, served)
        yield own
        own.close()


@pytest.fixture
def client(world: World) -> Client:
    return world.client()
