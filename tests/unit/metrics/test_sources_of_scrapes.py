"""A scrape never waits long for a server, and asks each one no more often than it must."""

import threading
import time
from collections.abc import Callable

from prometheus_client import REGISTRY

from infra.scraping import Source


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def source(name: str, read: Callable[[], int], clock: Hands) -> Source[int]:
    return Source(name, read, fresh_s=5, usable_s=45, clock=clock)


def ask(one: Source[int], wait_s: float = 5.0) -> int | None:
    one.ask()
    return one.answer(time.monotonic() + wait_s)


def errors(name: str) -> float | None:
    return REGISTRY.get_sample_value("picmend_scrape_errors_total", {"source": name})


def test_what_was_read_is_read_anew_only_when_it_is_no_longer_fresh() -> None:
    clock, answers = Hands(), iter([1, 2])
    one = source("fresh", lambda: next(answers), clock)

    assert ask(one) == 1
    clock.at = 4
    assert ask(one) == 1
    clock.at = 6
    assert ask(one) == 2


def test_a_failed_read_is_counted_and_the_last_answer_shown_while_it_is_usable() -> None:
    clock, answers = Hands(), iter([1])
    one = source("failing", lambda: next(answers), clock)

    assert ask(one) == 1
    clock.at = 40
    assert ask(one) == 1
    assert errors("failing") == 1
    clock.at = 46
    assert ask(one) is None
    assert errors("failing") == 2


def test_a_server_that_hangs_is_not_waited_for_and_not_asked_twice_at_once() -> None:
    answering, asked = threading.Event(), []

    def read() -> int:
        asked.append(1)
        answering.wait(30)
        return 7

    one = source("hanging", read, Hands())
    begun = time.monotonic()

    assert ask(one, wait_s=0.01) is None
    assert ask(one, wait_s=0.01) is None
    assert time.monotonic() - begun < 5
    assert len(asked) == 1
    assert errors("hanging") == 2

    answering.set()
    assert ask(one) == 7
    assert len(asked) == 1
