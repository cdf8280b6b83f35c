"""Kinds of thresholds, with the bounds in which each makes sense."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field


def _of_full_minutes(width: timedelta) -> timedelta:
    if width % timedelta(minutes=1):
        raise ValueError(f"{width} is not of full minutes, in which facts are kept")
    return width


def _of_full_hours(width: timedelta) -> timedelta:
    if width % timedelta(hours=1):
        raise ValueError(f"{width} is not of full hours, in which it would be counted")
    return width


Count = Annotated[int, Field(ge=1, le=10**9)]
Share = Annotated[float, Field(gt=0, le=1)]
"""A part of a whole: 0.5 is half of it."""
Times = Annotated[float, Field(ge=1, le=1000)]
Window = Annotated[
    timedelta,
    Field(ge=timedelta(minutes=1), le=timedelta(hours=2)),
    AfterValidator(_of_full_minutes),
]
"""Counted by the minute."""
LongWindow = Annotated[
    timedelta,
    Field(ge=timedelta(hours=1), le=timedelta(days=28)),
    AfterValidator(_of_full_hours),
]
"""Counted by the hour, save for its last two hours."""
