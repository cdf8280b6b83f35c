"""Far more jobs in a short while than the account ever sent, and than its plan is for.

Both must hold: a first large batch is far above an account's own history and is what picmend is
for, and a large client's usual evening is far above what most accounts of its plan send.
"""

from datetime import timedelta

from domain.admission.facts import SubjectKind
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
from domain.admission.rules.thresholds import Count, Times, Window


class BurstParameters(RuleParameters):
    """From how many jobs on, in how long."""

    window: Window = timedelta(minutes=10)
    at_least: Count
    """What the plan is for: fewer are never too many."""
    times: Times = 3
    """How often the jobs of its own busiest hour of the 28 days before."""


def judge(known: Known, parameters: BurstParameters) -> Match | None:
    """Find more jobs within the window than plan and history explain, whichever allows more."""
    jobs = known.within(parameters.window).jobs
    busiest = max((hour.facts.jobs for hour in known.hours), default=0)
    threshold = max(float(parameters.at_least), parameters.times * busiest)
    if jobs < threshold:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.jobs),
        {
            "jobs": jobs,
            "threshold": threshold,
            "at_least": parameters.at_least,
            "busiest_hour": busiest,
            "times": parameters.times,
        },
    )


def _setting(at_least: int) -> Setting[BurstParameters]:
    return Setting(
        BurstParameters(at_least=at_least),
        Severity.LOW,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.SLOW_DOWN,
                    after=timedelta(minutes=15),
                    expires_after=timedelta(hours=1),
                ),
            )
        ),
    )


RULE = Rule(
    name="burst",
    says="far more jobs in ten minutes than the account ever sent and its plan is for",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=BurstParameters,
    judge=judge,
    # Ten days' jobs of free, more than a day's of standard, half a day's of enterprise.
    defaults={
        "free": _setting(500),
        EVERY_OTHER: _setting(25_000),
        "enterprise": _setting(250_000),
    },
)
