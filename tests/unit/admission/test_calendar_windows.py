from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.admission.windows import (
    EARLIEST,
    LATEST,
    TimeZoneUnknownError,
    countable,
    day_after,
    local_day,
    month_after,
    month_of,
    zone,
)

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

# Midnights that were skipped or came twice, days that were left out, halves of hours, and none
# of all that.
ZONES = (
    "Asia/Shanghai",
    "UTC",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "America/Santiago",
    "America/New_York",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
zones = st.sampled_from(ZONES)


@cache
def changes(name: str, year: int) -> tuple[datetime, ...]:
    """Return the instants of a year, to the minute, at which a zone's clocks were changed."""
    found = []
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        if offset(at, name) != offset(at + DAY, name):
            low, high = at, at + DAY
            while high - low > MINUTE:
                middle = low + (high - low) / 2
                before = offset(middle, name) == offset(at, name)
                low, high = (middle, high) if before else (low, middle)
            found.append(high)
        at += DAY
    return tuple(found)


def offset(at: datetime, name: str) -> timedelta | None:
    return at.astimezone(ZoneInfo(name)).utcoffset()


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """Draw a zone and an instant, as often as not within a day of a change of its clocks."""
    name = draw(zones)
    year = draw(st.integers(1970, 2037))
    near = draw(st.sampled_from((datetime(year, 7, 1, tzinfo=UTC), *changes(name, year))))
    away = 400 * DAY if near.month == 7 and near.day == 1 else DAY
    return name, near + draw(st.timedeltas(-away, away))


def first_instant(day: date, name: str) -> datetime:
    """Walk through the minutes until a wall clock shows the day, or a later one."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=40)
    while at.astimezone(ZoneInfo(name)).date() < day:
        at += MINUTE
    return at


@given(moments())
@example(("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)))
@example(("America/Havana", datetime(2024, 11, 3, 4, 30, tzinfo=UTC)))
@example(("America/St_Johns", datetime(2006, 10, 29, 2, 45, tzinfo=UTC)))
@example(("Antarctica/Casey", datetime(2010, 3, 4, 15, 30, tzinfo=UTC)))
@example(("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)))
def test_every_instant_is_in_exactly_one_day(moment: tuple[str, datetime]) -> None:
    name, at = moment
    day = local_day(at, name)

    assert day_after(day - DAY, name) <= at < day_after(day, name)


@given(moments())
@example(("America/St_Johns", datetime(2006, 10, 28, 12, tzinfo=UTC)))
@example(("Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC)))
def test_a_day_ends_with_the_first_instant_of_the_next(moment: tuple[str, datetime]) -> None:
    name, at = moment
    day = local_day(at, name)

    reset = day_after(day, name)

    assert local_day(reset, name) > day
    assert local_day(reset - TICK, name) == day


@given(moments())
@example(("Asia/Beirut", datetime(2026, 3, 31, 21, tzinfo=UTC)))
@example(("Pacific/Kiritimati", datetime(1994, 12, 31, 9, tzinfo=UTC)))
def test_a_month_ends_with_the_first_instant_of_the_next(moment: tuple[str, datetime]) -> None:
    name, at = moment
    month = month_of(local_day(at, name))

    reset = month_after(local_day(at, name), name)

    assert reset > at
    assert month_of(local_day(reset - TICK, name)) == month
    assert month_of(local_day(reset, name)) == month_of(month + 31 * DAY)


@given(moments(), st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_what_is_later_is_never_of_an_earlier_day(
    moment: tuple[str, datetime], later: timedelta
) -> None:
    name, at = moment

    assert local_day(at, name) <= local_day(at + later, name)


@given(moments())
def test_a_day_begins_when_a_wall_clock_first_shows_it(moment: tuple[str, datetime]) -> None:
    name, at = moment
    day = local_day(at, name)

    assert first_instant(day + DAY, name) - day_after(day, name) < MINUTE


@given(moments())
def test_a_day_is_the_one_on_the_wall_but_where_clocks_go_back_over_midnight(
    moment: tuple[str, datetime],
) -> None:
    name, at = moment
    local = at.astimezone(ZoneInfo(name))

    assert local_day(at, name) in {local.date(), local.date() + local.fold * DAY}


@pytest.mark.parametrize(
    ("name", "day", "reset"),
    [
        ("Asia/Shanghai", date(2026, 3, 1), "2026-03-01T16:00Z"),
        # Midnight is skipped, and the day begins at one.
        ("America/Sao_Paulo", date(2018, 11, 3), "2018-11-04T03:00Z"),
        ("Africa/Cairo", date(2023, 4, 27), "2023-04-27T22:00Z"),
        ("Asia/Beirut", date(2024, 3, 30), "2024-03-30T22:00Z"),
        ("America/Havana", date(2024, 3, 9), "2024-03-10T05:00Z"),
        # 23:00 comes twice, and the day has 25 hours.
        ("America/Sao_Paulo", date(2019, 2, 16), "2019-02-17T03:00Z"),
        ("Africa/Cairo", date(2023, 10, 26), "2023-10-26T22:00Z"),
        # Midnight itself comes twice: the first counts.
        ("America/Havana", date(2024, 11, 2), "2024-11-03T04:00Z"),
        ("America/St_Johns", date(2006, 10, 28), "2006-10-29T02:30Z"),
        # There was no 30 December.
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-30T10:00Z"),
    ],
)
def test_days_end_where_history_says(name: str, day: date, reset: str) -> None:
    assert day_after(day, name) == datetime.fromisoformat(reset)


@pytest.mark.parametrize(
    ("day", "begins"),
    [
        (date(2024, 2, 29), "2024-03-01T00:00Z"),
        (date(2026, 2, 28), "2026-03-01T00:00Z"),
        (date(2100, 2, 28), "2100-03-01T00:00Z"),
        (date(2026, 1, 31), "2026-02-01T00:00Z"),
        (date(2026, 12, 1), "2027-01-01T00:00Z"),
    ],
)
def test_months_have_their_lengths(day: date, begins: str) -> None:
    assert month_after(day, "UTC") == datetime.fromisoformat(begins)


def test_the_day_behind_28_february_is_the_29th_in_leap_years_alone() -> None:
    assert day_after(date(2024, 2, 28), "UTC") == datetime(2024, 2, 29, tzinfo=UTC)
    assert day_after(date(2026, 2, 28), "UTC") == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", "Asia", "Asia/Nowhere", "../etc/passwd", "a\0b", "\ud800", "right/UTC"]
)
def test_a_zone_that_is_none_is_named(name: str) -> None:
    with pytest.raises(TimeZoneUnknownError, match="Asia/Shanghai"):
        zone(name)


@given(st.datetimes(timezones=st.just(UTC)), zones)
@example(datetime.min.replace(tzinfo=UTC), "America/New_York")
@example(datetime.max.replace(tzinfo=UTC), "Asia/Shanghai")
def test_whatever_a_store_says_there_is_a_day_and_a_month_by_which_it_is_counted(
    said: datetime, name: str
) -> None:
    at = countable(said)

    assert (at == said) == (EARLIEST <= said <= LATEST)
    day = local_day(at, name)
    assert at < day_after(day, name) <= month_after(day, name)
