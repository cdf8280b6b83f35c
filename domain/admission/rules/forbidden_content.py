"""Repeated refusals for forbidden content.

The content check may err on single pictures of an album: so it takes a number and a share of all
that were looked at.
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
from domain.admission.rules.thresholds import Count, LongWindow, Share


class ForbiddenContentParameters(RuleParameters):
    """How many refusals, and which share of the pictures that were looked at."""

    window: LongWindow = timedelta(days=1)
    at_least: Count
    share: Share = 0.2


def judge(known: Known, parameters: ForbiddenContentParameters) -> Match | None:
    """Find refusals by number and by share."""
    facts = known.within(parameters.window)
    looked_at = facts.succeeded + facts.content_refused
    if (
        facts.content_refused < parameters.at_least
        or facts.content_refused < parameters.share * looked_at
    ):
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.content_refused),
        {
            "refused": facts.content_refused,
            "threshold": parameters.at_least,
            "looked_at": looked_at,
            "share": round(facts.content_refused / looked_at, 4),
            "share_threshold": parameters.share,
        },
    )


def _setting(at_least: int) -> Setting[ForbiddenContentParameters]:
    return Setting(
        ForbiddenContentParameters(at_least=at_least),
        Severity.HIGH,
        Ladder(
            (
                Rung(step=Step.FLAG),
                Rung(
                    step=Step.REVIEW,
                    after=timedelta(minutes=10),
                    expires_after=timedelta(days=7),
                ),
                Rung(step=Step.SUSPEND_ACCOUNT, after=timedelta(days=1)),
            )
        ),
    )


RULE = Rule(
    name="forbidden_content",
    says="many pictures were refused for forbidden content",
    kinds=frozenset({SubjectKind.ACCOUNT}),
    parameters=ForbiddenContentParameters,
    judge=judge,
    defaults={
        "free": _setting(8),
        EVERY_OTHER: _setting(20),
        "enterprise": _setting(100),
    },
)
