from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.admission.facts import Facts
from domain.admission.rules.rule import HISTORY
from tests.unit.admission.rules.knowledge import HOUR, MINUTE, UNTIL, known


def test_a_window_holds_the_minutes_that_begin_in_it() -> None:
    facts = known(minutes={1: Facts(jobs=1), 10: Facts(jobs=10), 11: Facts(jobs=100)})
    assert facts.within(10 * MINUTE).jobs == 11
    assert facts.within(11 * MINUTE).jobs == 111


def test_a_long_window_goes_on_into_the_hours() -> None:
    facts = known(
        minutes={1: Facts(jobs=1), 120: Facts(jobs=10)},
        hours={3: Facts(jobs=100), 24: Facts(jobs=1_000), 25: Facts(jobs=10_000)},
    )
    assert facts.within(24 * HOUR).jobs == 1_111
    assert facts.within(HISTORY).jobs == 11_111


def test_what_was_before_a_window_is_asked_for_by_itself() -> None:
    facts = known(
        minutes={60: Facts(jobs=1), 61: Facts(jobs=10)},
        hours={3: Facts(jobs=100), 25: Facts(jobs=1_000), 26: Facts(jobs=10_000)},
    )
    assert facts.before(HOUR, 24 * HOUR).jobs == 1_110


def test_the_latest_is_that_of_what_is_counted() -> None:
    facts = known(minutes={1: Facts(jobs=1), 7: Facts(jobs=1, broken=1), 9: Facts(broken=1)})
    assert facts.latest(HOUR, lambda f: f.broken) == UNTIL - 7 * MINUTE
    assert facts.latest(HOUR, lambda f: f.hostile) == UNTIL - MINUTE


@given(
    st.dictionaries(st.integers(1, 120), st.integers(1, 1_000)),
    st.integers(1, 120),
)
def test_a_window_holds_what_a_slow_count_holds(jobs: dict[int, int], width: int) -> None:
    facts = known(minutes={ago: Facts(jobs=n) for ago, n in jobs.items()})
    expected = sum(n for ago, n in jobs.items() if ago <= width)
    assert facts.within(timedelta(minutes=width)).jobs == expected
