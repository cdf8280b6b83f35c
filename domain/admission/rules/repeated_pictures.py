"""The same picture again and again.

Several presets of one picture are as many sendings, and a client whose batch failed sends it
anew: so it takes nearly all of an hour's pictures, and what failed or was refused in the day
before may come once more.
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
from domain.admission.rules.thresholds import Count, LongWindow, Share, Window


class RepeatedPicturesParameters(RuleParameters):
    """How many repetitions, and which share of all jobs, are too many."""

    window: Window = timedelta(hours=1)
    at_least: Count
    share: Share = 0.9
    """A picture sent under n presets or names has a share of (n - 1) / n."""
    second_chance: LongWindow = timedelta(days=1)
    """What failed or was refused so long before the window may be sent again."""


def judge(known: Known, parameters: RepeatedPicturesParameters) -> Match | None:
    """Find repetitions beyond those of pictures that had no result, by number and by share."""
    facts = known.within(parameters.window)
    earlier = known.before(parameters.window, parameters.second_chance)
    excused = min(facts.repeated, earlier.failed + earlier.rejected + facts.failed)
    repeated = facts.repeated - excused
    if repeated < parameters.at_least or repeated < parameters.share * facts.jobs:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.repeated),
        {
            "jobs": facts.jobs,
            "repeated": repeated,
            "excused": excused,
            "threshold": parameters.at_least,
            "share": round(repeated / max(facts.jobs, 1), 4),
            "share_threshold": parameters.share,
        },
    )


def _setting(at_least: int) -> Setting[RepeatedPicturesParameters]:
    return Setting(
        RepeatedPicturesParameters(at_least=at_least),
        Severity.LOW,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.SLOW_DOWN,
                    after=timedelta(minutes=30),
                    expires_after=timedelta(hours=1),
                ),
            )
        ),
    )


RULE = Rule(
    name="repeated_pictures",
    says="nearly all pictures of an hour were sent before by the same account",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=RepeatedPicturesParameters,
    judge=judge,
    # A picture that is sent every minute to see whether picmend works makes 60 an hour.
    defaults={
        "free": _setting(100),
        EVERY_OTHER: _setting(500),
        "enterprise": _setting(5_000),
    },
)
