"""Asking on and on after refusals.

Each answer 429 says when to come again: who comes too soon three times as often as the plan allows
requests at all, minute after minute, does not read it. A refused upload tells its sender only
through a file, so one batch beyond a quota is no hammering; hours of it are.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from domain.admission.facts import Facts, SubjectKind
from domain.admission.restrictions import Step
from domain.admission.rules.ladder import Ladder, Rung, Severity
from domain.admission.rules.rule import (
    EVERY_OTHER,
    Known,
    Match,
    Rule,
    RuleParameters,
    Setting,
)
from domain.admission.rules.thresholds import Count, Window

Minutes = Annotated[int, Field(ge=1, le=120)]


class HammeringParameters(RuleParameters):
    """In how many minutes of a window how many refusals; of requests, and of jobs."""

    window: Window = timedelta(minutes=10)
    minutes: Minutes = 8
    limited: Count
    """Requests that came too soon and were answered 429, in each of those minutes."""
    jobs_window: Window = timedelta(hours=2)
    jobs_minutes: Minutes = 90
    over_limit: Count
    """Jobs refused by a quota or a full queue, in each of those minutes."""


def judge(known: Known, parameters: HammeringParameters) -> Match | None:
    """Find refusals that go on and on."""
    return _requests(known, parameters) or _jobs(known, parameters)


def _requests(known: Known, parameters: HammeringParameters) -> Match | None:
    def refused(facts: Facts) -> int:
        return facts.limited if facts.limited >= parameters.limited else 0

    counts = [refused(minute.facts) for minute in known.buckets(parameters.window)]
    minutes = sum(1 for count in counts if count)
    if minutes < parameters.minutes:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, refused),
        {
            "limited": sum(counts),
            "limited_per_minute_threshold": parameters.limited,
            "minutes": minutes,
            "minutes_threshold": parameters.minutes,
        },
    )


def _jobs(known: Known, parameters: HammeringParameters) -> Match | None:
    def refused(facts: Facts) -> int:
        return facts.over_limit if facts.over_limit >= parameters.over_limit else 0

    counts = [refused(minute.facts) for minute in known.buckets(parameters.jobs_window)]
    minutes = sum(1 for count in counts if count)
    if minutes < parameters.jobs_minutes:
        return None
    return Match(
        parameters.jobs_window,
        known.latest(parameters.jobs_window, refused),
        {
            "over_limit": sum(counts),
            "over_limit_per_minute_threshold": parameters.over_limit,
            "minutes": minutes,
            "minutes_threshold": parameters.jobs_minutes,
        },
    )


def _setting(limited: int, over_limit: int) -> Setting[HammeringParameters]:
    return Setting(
        HammeringParameters(limited=limited, over_limit=over_limit),
        Severity.LOW,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.SLOW_DOWN,
                    after=timedelta(minutes=5),
                    expires_after=timedelta(hours=1),
                ),
            )
        ),
    )


RULE = Rule(
    name="hammering",
    says="requests or uploads go on for long although they are refused",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=HammeringParameters,
    judge=judge,
    # Three times as many refusals a minute as the plan allows requests.
    defaults={
        "free": _setting(360, 5),
        EVERY_OTHER: _setting(9_000, 50),
        "enterprise": _setting(36_000, 500),
    },
)
