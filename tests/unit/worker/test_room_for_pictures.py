"""Pictures in hand share so many pixels, in turn."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from processors.engine.room import Room

WITHIN_S = 20


class NoLongerWantedError(Exception):
    """What ends a wait."""


@dataclass
class Holder:
    """A thread that takes room, and lets go of it when it is told to."""

    room: Room
    pixels: int
    waits: threading.Event = field(default_factory=threading.Event)
    holds: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self.room.taken(self.pixels, self.waits.set):
            self.holds.set()
            assert self.done.wait(WITHIN_S)

    def until_it_waits(self) -> None:
        assert self.waits.wait(WITHIN_S)
        assert not self.holds.is_set()

    def until_it_holds(self) -> None:
        assert self.holds.wait(WITHIN_S)

    def end(self) -> None:
        self.done.set()
        self._thread.join(WITHIN_S)


@pytest.fixture
def room() -> Room:
    return Room(10)


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_what_fits_together_is_in_hand_together(room: Room, ending: ExitStack) -> None:
    for pixels in (4, 6):
        holder = Holder(room, pixels)
        ending.callback(holder.end)
        holder.until_it_holds()


def test_what_does_not_fit_waits_until_there_is_room(room: Room, ending: ExitStack) -> None:
    first, second = Holder(room, 6), Holder(room, 5)
    if second.holds.wait(0):
        first, second = second, first
    for holder in (first, second):
        ending.callback(holder.end)
    first.until_it_holds()
    second.until_it_waits()

    first.end()

    second.until_it_holds()


def test_what_has_more_than_all_the_room_is_alone(room: Room, ending: ExitStack) -> None:
    large = Holder(room, 1000)
    ending.callback(large.end)
    large.until_it_holds()
    small = Holder(room, 1)
    ending.callback(small.end)
    small.until_it_waits()

    large.end()

    small.until_it_holds()


def test_nobody_passes_one_that_waits(room: Room, ending: ExitStack) -> None:
    first = Holder(room, 6)
    first.until_it_holds()
    large = Holder(room, 10)
    large.until_it_waits()
    small = Holder(room, 1)
    for holder in (first, large, small):
        ending.callback(holder.end)
    small.until_it_waits()

    first.end()

    large.until_it_holds()
    assert not small.holds.is_set()
    large.end()
    small.until_it_holds()


def test_who_gives_up_waiting_keeps_nobody_else_from_the_room(
    room: Room, ending: ExitStack
) -> None:
    first = Holder(room, 6)
    ending.callback(first.end)
    first.until_it_holds()

    def no_more() -> None:
        raise NoLongerWantedError

    with pytest.raises(NoLongerWantedError), room.taken(10, no_more):
        pytest.fail("there was no room")
    small = Holder(room, 4)
    ending.callback(small.end)

    small.until_it_holds()


def test_room_is_given_back_by_work_that_fails(room: Room) -> None:
    def one_fails() -> None:
        with room.taken(10, lambda: pytest.fail("there is room")):
            raise NoLongerWantedError

    for _ in range(2):
        with pytest.raises(NoLongerWantedError):
            one_fails()
