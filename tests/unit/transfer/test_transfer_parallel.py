import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from cli.bulk.parallel import in_parallel


def test_every_item_is_worked_on_once() -> None:
    assert sorted(in_parallel(lambda n: n * n, range(100), 7)) == [n * n for n in range(100)]


def test_nothing_comes_of_nothing() -> None:
    assert list(in_parallel(lambda n: n, list[int](), 4)) == []


def test_as_many_work_at_once_as_asked_for() -> None:
    together = threading.Barrier(4, timeout=20)
    assert len(list(in_parallel(lambda _: together.wait(), range(8), 4))) == 8


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    first = list(islice(in_parallel(lambda n: n, endless(), 4), 20))
    assert len(first) == 20
    assert len(taken) < 40


def test_an_error_ends_it_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return 1 // (number - 5)

    with pytest.raises(ZeroDivisionError):
        list(in_parallel(work, range(10_000), 2))
    assert len(begun) < 100
