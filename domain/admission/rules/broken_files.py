"""A high share of files that are no readable pictures: broken, hostile, or disguised.

A folder uploaded by mistake is over in a few minutes; who tries what the decoder does with bad
files goes on. So besides number and share, it takes many different minutes.
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
from domain.admission.rules.thresholds import Count, Share, Window


class BrokenFilesParameters(RuleParameters):
    """How many bad files, which share of all jobs, and in how many minutes."""

    window: Window = timedelta(hours=1)
    at_least: Count
    share: Share = 0.5
    minutes: Annotated[int, Field(ge=1, le=60)] = 10
    """Different minutes of the window in which there was a bad file."""


def judge(known: Known, parameters: BrokenFilesParameters) -> Match | None:
    """Find bad files by number, by share, and by how long they have been coming."""
    facts = known.within(parameters.window)
    bad = _bad(facts)
    if bad < parameters.at_least or bad < parameters.share * facts.jobs:
        return None
    minutes = sum(1 for minute in known.buckets(parameters.window) if _bad(minute.facts))
    if minutes < parameters.minutes:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, _bad),
        {
            "jobs": facts.jobs,
            "broken": facts.broken,
            "hostile": facts.hostile,
            "threshold": parameters.at_least,
            "share": round(bad / max(facts.jobs, 1), 4),
            "share_threshold": parameters.share,
            "minutes": minutes,
            "minutes_threshold": parameters.minutes,
        },
    )


def _bad(facts: Facts) -> int:
    return facts.broken + facts.hostile


def _setting(at_least: int) -> Setting[BrokenFilesParameters]:
    return Setting(
        BrokenFilesParameters(at_least=at_least),
        Severity.MEDIUM,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.SLOW_DOWN,
                    after=timedelta(minutes=10),
                    expires_after=timedelta(hours=1),
                ),
                Rung(
                    step=Step.REVIEW,
                    after=timedelta(hours=1),
                    expires_after=timedelta(days=1),
                ),
            )
        ),
    )


RULE = Rule(
    name="broken_files",
    says="most files of an hour were broken, hostile or no pictures at all",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=BrokenFilesParameters,
    judge=judge,
    defaults={
        "free": _setting(60),
        EVERY_OTHER: _setting(500),
        "enterprise": _setting(5_000),
    },
)
