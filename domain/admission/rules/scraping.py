"""Reads of results, lists and usage far beyond the jobs that there are to read of.

Polling, too, reads much for little; so the number alone must be beyond what a few busy screens
or an export of all results come to.
"""

from datetime import timedelta

from domain.admission.facts import SubjectKind
from domain.admission.restrictions import Step
from domain.admission.rules.ladder import Ladder, Rung, Severity
from domain.admission.rules.rule import (
    EVERY_OTHER,
    HISTORY,
    Known,
    Match,
    Rule,
    RuleParameters,
    Setting,
)
from domain.admission.rules.thresholds import Count, Times, Window


class ScrapingParameters(RuleParameters):
    """From how many reads on, in how long."""

    window: Window = timedelta(hours=1)
    at_least: Count
    per_job: Times = 5
    """Reads within the window for each job of the last 28 days."""


def judge(known: Known, parameters: ScrapingParameters) -> Match | None:
    """Find more reads within the window than both thresholds."""
    reads = known.within(parameters.window).reads
    if reads < parameters.at_least:
        return None
    jobs = known.within(HISTORY).jobs
    if reads < parameters.per_job * jobs:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.reads),
        {
            "reads": reads,
            "threshold": max(float(parameters.at_least), parameters.per_job * jobs),
            "at_least": parameters.at_least,
            "jobs_28_days": jobs,
            "per_job": parameters.per_job,
        },
    )


def _setting(at_least: int) -> Setting[ScrapingParameters]:
    return Setting(
        ScrapingParameters(at_least=at_least),
        Severity.MEDIUM,
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
    name="scraping",
    says="far more reads of results, lists and usage than there are jobs to read of",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=ScrapingParameters,
    judge=judge,
    # A screen that asks for a list every second makes 3,600 an hour.
    defaults={
        "free": _setting(4_000),
        EVERY_OTHER: _setting(30_000),
        "enterprise": _setting(200_000),
    },
)
