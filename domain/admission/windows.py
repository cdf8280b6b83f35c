"""Calendar windows: which local day an instant is of, and when the next one begins.

A day lasts from its first instant to that of the next, whatever clocks do meanwhile: each
instant is of exactly one, and later instants are never of earlier days.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

_LARGEST_SKIP: Final = timedelta(hours=25)
"""No clock was ever put forward by more: some islands left out a day."""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9990, 1, 1, tzinfo=UTC)
"""Between them every window around an instant has its ends in the range of dates."""


class TimeZoneUnknownError(ValueError):
    """No time zone has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no time zone {name!r}; names are such as Asia/Shanghai or UTC")


@cache
def zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raises `TimeZoneUnknownError`."""
    # Asked for by name: files of other kinds, and with leap seconds, lie beside the zones.
    if name not in available_timezones():
        raise TimeZoneUnknownError(name)
    return ZoneInfo(name)


def countable(at: datetime) -> datetime:
    """Return an instant (aware) by which can be counted: itself, or the nearest that can be.

    A store that does not know when something came may say the year 1.
    """
    return min(max(at, EARLIEST), LATEST)


def local_day(at: datetime, zone_name: str) -> date:
    """Return the calendar day that `at` (aware) is of, in a time zone.

    When a clock is put back across midnight, the day that had begun goes on.
    """
    local = at.astimezone(zone(zone_name))
    # Only an hour that comes twice can lie behind a midnight that was before it.
    if local.fold and at >= day_after(local.date(), zone_name):
        return local.date() + timedelta(days=1)
    return local.date()


def month_of(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def day_after(day: date, zone_name: str) -> datetime:
    """Return the first instant, in UTC, of the day behind `day`."""
    return _begin(day + timedelta(days=1), zone_name)


def month_after(day: date, zone_name: str) -> datetime:
    """Return the first instant, in UTC, of the month behind that of `day`."""
    return _begin(month_of(month_of(day) + timedelta(days=31)), zone_name)


@lru_cache(maxsize=4096)
def _begin(day: date, zone_name: str) -> datetime:
    """Return when a local day begins: at its first midnight or, where that is skipped, behind it.

    Of a day that is left out as a whole, it is when the next one begins.
    """
    local = zone(zone_name)
    midnight = datetime.combine(day, time.min, local).astimezone(UTC)
    shown = midnight.astimezone(local)
    if (shown.date(), shown.time()) == (day, time.min):
        return midnight
    # The wall clock never shows midnight: find the jump, which is on a whole second.
    low, high = midnight - _LARGEST_SKIP, midnight
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(local).date() < day:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
