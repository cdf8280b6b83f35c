"""When a waiting job may start, by its turn and by what its account may have in flight."""

from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.starts import Cap, seconds_until

counts = st.integers(0, 500)
caps = st.lists(st.builds(Cap, limit=st.integers(1, 50), taken=st.integers(0, 60)), max_size=3)


def test_without_a_cap_a_job_starts_when_those_ahead_and_it_have_gone() -> None:
    assert seconds_until(9, 9, per_second=2.0, in_flight=64, caps=[]) == 5.0


def test_an_account_alone_in_line_starts_its_jobs_at_the_pace_of_its_own_line() -> None:
    # All that is in flight is its own, as much as it may have: that is the line's pace.
    full = Cap(limit=4, taken=4)
    assert seconds_until(9, 9, per_second=2.0, in_flight=4, caps=[full]) == 5.0


def test_where_others_have_more_in_flight_a_full_account_waits_for_its_own_to_end() -> None:
    full = Cap(limit=4, taken=4)
    assert seconds_until(9, 9, per_second=2.0, in_flight=40, caps=[full]) == 50.0


def test_an_account_that_may_have_none_in_flight_starts_none() -> None:
    assert seconds_until(0, 0, per_second=2.0, in_flight=4, caps=[Cap(0, 0)]) is None


@given(counts, counts, counts, caps)
def test_a_cap_only_delays_and_the_slowest_of_several_counts(
    ahead: int, own: int, in_flight: int, of_account: list[Cap]
) -> None:
    def start(*given: Cap) -> float:
        found = seconds_until(ahead + own, own, per_second=3.0, in_flight=in_flight, caps=given)
        assert found is not None
        return found

    assert start(*of_account) == max([start(), *map(start, of_account)])
