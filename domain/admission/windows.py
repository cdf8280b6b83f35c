"""Calendar windows: which local day an instant is of, and when the next one begins."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class TimeZoneUnknownError(ValueError):
    """No time zone has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no time zone {name!r}; names are such as Asia/Shanghai or UTC")


@cache
def zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raises `TimeZoneUnknownError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeZoneUnknownError(name) from error


def local_day(at: datetime, zone_name: str) -> date:
    """Return the calendar day that `at` (aware) is of, in a time zone."""
    return at.astimezone(zone(zone_name)).date()


def month_of(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def day_after(day: date, zone_name: str) -> datetime:
    """Return the first instant, in UTC, of the day behind `day`."""
    return _begin(day + timedelta(days=1), zone_name)


def month_after(day: date, zone_name: str) -> datetime:
    """Return the first instant, in UTC, of the month behind that of `day`."""
    return _begin(month_of(month_of(day) + timedelta(days=31)), zone_name)


def _begin(day: date, zone_name: str) -> datetime:
    """Return when a local day begins: at midnight or, where a clock skips it, right behind it."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone(zone_name)).astimezone(UTC)
    if midnight.astimezone(zone(zone_name)).date() == day:
        return midnight
    # Midnight does not exist on that day: find the jump, which is on a whole minute.
    low, high = midnight - timedelta(hours=3), midnight + timedelta(hours=3)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone(zone_name)).date() < day:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
