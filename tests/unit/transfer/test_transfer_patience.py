from collections.abc import Callable

import pytest

from cli.bulk.patience import PAUSES_S, patiently
from infra.stored_objects import AccessDenied, StoreUnavailable


def a_store_away_for(calls: int, made: list[int]) -> Callable[[], str]:
    def call() -> str:
        made.append(len(made))
        if len(made) <= calls:
            raise StoreUnavailable(f"call {len(made)}")
        return "there"

    return call


def test_a_store_that_comes_back_is_waited_for() -> None:
    made: list[int] = []
    assert patiently(a_store_away_for(2, made), (0, 0)) == "there"
    assert len(made) == 3


def test_a_store_that_stays_away_is_given_up() -> None:
    made: list[int] = []
    with pytest.raises(StoreUnavailable, match="call 3"):
        patiently(a_store_away_for(9, made), (0, 0))
    assert len(made) == 3


def test_other_errors_are_raised_at_once() -> None:
    made: list[int] = []

    def refuse() -> None:
        made.append(1)
        raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        patiently(refuse, (0, 0))
    assert len(made) == 1


def test_the_usual_patience_is_some_15_seconds() -> None:
    assert sum(PAUSES_S) == 15.5
