"""GCRA against a bucket of tokens, counted in exact fractions of a token."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.admission.rates import BELIEVED, SLOWEST, Decision, Rate, rate_of, take

START = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)

rates = st.builds(
    Rate,
    st.one_of(
        st.integers(1, 30).map(lambda ticks: ticks * TICK),
        st.integers(1, 3_000_000).map(lambda ticks: ticks * TICK),
    ),
    st.integers(1, 6),
)


@dataclass
class Bucket:
    """So many tokens at most; one more each interval, bit by bit."""

    rate: Rate
    tokens: Fraction
    at: datetime

    def take(self, at: datetime) -> bool:
        self.tokens = min(
            Fraction(self.rate.burst),
            self.tokens + Fraction((at - self.at) // TICK, self.rate.interval // TICK),
        )
        self.at = at
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Rate, list[datetime]]:
    """A rate, and requests at gaps around the interval, some of them at once."""
    rate = draw(rates)
    ticks = rate.interval // TICK
    gaps = draw(
        st.lists(
            st.one_of(
                st.just(0),
                st.integers(0, 2 * ticks),
                st.just(ticks),
                st.integers(0, 10 * ticks),
            ),
            max_size=40,
        )
    )
    at, times = START, []
    for gap in gaps:
        at += gap * TICK
        times.append(at)
    return rate, times


def decided(rate: Rate, times: list[datetime]) -> list[tuple[Decision, datetime | None]]:
    tat: datetime | None = None
    found = []
    for at in times:
        decision, tat = take(rate, tat, at)
        found.append((decision, tat))
    return found


@given(arrivals())
def test_it_admits_what_a_bucket_of_tokens_admits(case: tuple[Rate, list[datetime]]) -> None:
    rate, times = case
    bucket = Bucket(rate, Fraction(rate.burst), START)

    for (decision, _), at in zip(decided(rate, times), times, strict=True):
        assert decision.allowed == bucket.take(at)
        if decision.allowed:
            assert decision.remaining == int(bucket.tokens)


@given(arrivals())
def test_what_is_told_comes_true(case: tuple[Rate, list[datetime]]) -> None:
    rate, times = case

    for (decision, tat), at in zip(decided(rate, times), times, strict=True):
        assert 0 <= decision.remaining < decision.limit == rate.burst
        if not decision.allowed:
            assert take(rate, tat, at + decision.retry_after)[0].allowed
            assert not take(rate, tat, at + decision.retry_after - TICK)[0].allowed
        else:
            assert decision.retry_after == timedelta()
        now, later = _room(rate, tat, at), _room(rate, tat, at + decision.more_after)
        assert (now, later) == (decision.remaining, decision.remaining + 1)
        assert _room(rate, tat, at + decision.more_after - TICK) == now
        assert _room(rate, tat, at + decision.reset_after) == rate.burst


def _room(rate: Rate, tat: datetime | None, at: datetime) -> int:
    """How many requests pass at once."""
    room = 0
    while True:
        decision, tat = take(rate, tat, at)
        if not decision.allowed:
            return room
        room += 1


@given(arrivals())
def test_a_request_that_is_refused_costs_nothing(case: tuple[Rate, list[datetime]]) -> None:
    rate, times = case
    before: datetime | None = None

    for decision, tat in decided(rate, times):
        assert decision.allowed or tat == before
        before = tat


@given(st.integers(1, 5_000_000), st.one_of(st.none(), st.integers(1, 2**62)))
def test_no_rate_is_faster_than_its_limit(per_second: int, burst: int | None) -> None:
    rate = rate_of(per_second, burst)

    assert rate is not None
    assert rate.interval >= TICK
    if per_second <= 1_000_000:
        assert rate.interval * per_second >= timedelta(seconds=1)
        assert (rate.interval - TICK) * per_second < timedelta(seconds=1)


def test_no_limit_limits_nothing_and_a_limit_of_zero_admits_nothing() -> None:
    assert rate_of(None, 5) is None
    for nothing in (rate_of(0, 5), rate_of(5, 0)):
        assert nothing is not None
        decision, tat = take(nothing, None, START)
        assert not decision.allowed
        assert decision.retry_after > timedelta()
        assert tat is None


def test_who_is_slowed_down_has_a_tenth() -> None:
    assert Rate(timedelta(milliseconds=20), 100).slowed() == Rate(timedelta(milliseconds=200), 10)
    assert Rate(timedelta(milliseconds=500), 4).slowed() == Rate(timedelta(seconds=5), 1)
    assert Rate(timedelta(seconds=3), 2).slowed() == Rate(SLOWEST, 1)
    assert Rate(timedelta(minutes=1), 2).slowed() == Rate(timedelta(minutes=1), 1)
    assert Rate(timedelta(seconds=1), 0).slowed().burst == 0


def test_a_wrong_clock_or_an_old_rate_locks_nobody_out() -> None:
    rate = Rate(timedelta(seconds=1), 3)

    assert take(rate, START + timedelta(days=400), START)[0].remaining == 2
    assert not take(rate, START + rate.window + BELIEVED, START)[0].allowed
