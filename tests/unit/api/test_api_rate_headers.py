from datetime import UTC, datetime, timedelta

from api.rate_headers import rate_headers, whole_seconds
from domain.admission.rates import UNKNOWN_KEYS, Rate, take
from domain.pipeline.enter import Entered, Unknown
from schemas.ids import AccountId

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ME = AccountId("acc_1")


def told(rate: Rate, tat: datetime | None = None) -> dict[str, str]:
    return rate_headers(Entered(ME, "k1", take(rate, tat, NOW)[0]))


def test_they_tell_the_burst_and_how_soon_it_is_whole_again() -> None:
    assert told(Rate(timedelta(milliseconds=20), 100)) == {
        "RateLimit-Policy": '"default";q=100;w=2',
        "RateLimit": '"default";r=99;t=1',
    }


def test_seconds_are_rounded_up_so_that_nobody_comes_too_early() -> None:
    slow = Rate(timedelta(milliseconds=2_300), 2)

    assert told(slow)["RateLimit-Policy"] == '"default";q=2;w=5'
    assert told(slow, NOW + timedelta(milliseconds=2_301))["RateLimit"] == '"default";r=0;t=1'
    assert told(slow, NOW + slow.window)["RateLimit"] == '"default";r=0;t=3'
    assert [whole_seconds(timedelta(seconds=s)) for s in (0, 0.000001, 1, 1.5)] == [0, 1, 1, 2]


def test_a_limit_of_nothing_is_told_in_the_same_form() -> None:
    assert told(Rate(timedelta(seconds=1), 0)) == {
        "RateLimit-Policy": '"default";q=0;w=1',
        "RateLimit": '"default";r=0;t=1',
    }


def test_where_nothing_is_limited_nothing_is_told() -> None:
    assert rate_headers(Entered(ME, "k1", None)) == {}
    assert rate_headers(None) == {}


def test_a_network_that_guesses_is_told_of_a_policy_of_its_own() -> None:
    unknown = Unknown(take(UNKNOWN_KEYS, None, NOW)[0])

    assert rate_headers(unknown)["RateLimit-Policy"] == '"invalid-keys";q=20;w=120'
