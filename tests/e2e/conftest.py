"""The whole system, once per run: its own servers and every process of picmend."""

# ruff: noqa: PLC0415 - the stack is imported only by the tests that use it

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack import Running


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Servers, api, streams and worker, all ready; apart from the stack of other tests."""
    from infra.stack import running

    with running(tmp_path_factory.mktemp("system"), durable=False) as everything:
        yield everything
