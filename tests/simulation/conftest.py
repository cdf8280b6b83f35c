"""The simulation is played while other tests run; its own tests wait for what came of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.customer import wait_until
from tests.simulation.ahead import Ahead, Part

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.simulation.play import Outcome

_AHEAD: Final = pytest.StashKey[Ahead]()
_WITHIN_S: Final = 840.0


class PlayedAhead:
    """A plugin: begins when it is known which tests run, and stands still beside timed ones."""

    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let nothing be played beside a test that measures time."""
        timed = item.get_closest_marker("timed")
        if timed:
            self._ahead.pause()
        try:
            return (yield)
        finally:
            if timed:
                self._ahead.resume()

    def pytest_unconfigure(self) -> None:
        """Leave nothing running."""
        self._ahead.close()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to play what the tests that will run ask for."""
    asked = [part for part in Part if any(part in names(item) for item in session.items)]
    if asked and not session.config.option.collectonly:
        alone = all(set(Part) & set(names(item)) for item in session.items)
        ahead = Ahead(asked, processes=os.cpu_count() or 1 if alone else 1)
        session.config.stash[_AHEAD] = ahead
        session.config.pluginmanager.register(PlayedAhead(ahead))


def names(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _played(request: pytest.FixtureRequest) -> list[Outcome]:
    ahead, part = request.config.stash[_AHEAD], Part(str(request.fixturename))
    wait_until(lambda: ahead.is_played(part), within_s=_WITHIN_S, what=f"{part} played")
    return ahead.outcomes(part)


seeds = pytest.fixture(scope="session", name=Part.SEEDS)(_played)
hunts = pytest.fixture(scope="session", name=Part.HUNTS)(_played)
twice = pytest.fixture(scope="session", name=Part.TWICE)(_played)
