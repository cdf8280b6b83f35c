"""Invalid keys from one network: somebody tries them out.

A forgotten client with a revoked key may ask every second, which is 600 in ten minutes; and behind
an address that many share most keys are valid.
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
from domain.admission.rules.thresholds import Count, Share, Window


class KeyGuessingParameters(RuleParameters):
    """How many invalid keys, and which share of the network's requests."""

    window: Window = timedelta(minutes=10)
    at_least: Count = 1_200
    """Requests with a key that is not valid, the same or others."""
    share: Share = 0.5


def judge(known: Known, parameters: KeyGuessingParameters) -> Match | None:
    """Find invalid keys by number and by share."""
    facts = known.within(parameters.window)
    if (
        facts.invalid_keys < parameters.at_least
        or facts.invalid_keys < parameters.share * facts.requests
    ):
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.invalid_keys),
        {
            "invalid_keys": facts.invalid_keys,
            "threshold": parameters.at_least,
            "requests": facts.requests,
            "share": round(facts.invalid_keys / max(facts.requests, 1), 4),
            "share_threshold": parameters.share,
        },
    )


RULE = Rule(
    name="key_guessing",
    says="requests with invalid keys come from one network, two a second and more",
    kinds=frozenset({SubjectKind.NETWORK}),
    parameters=KeyGuessingParameters,
    judge=judge,
    defaults={
        EVERY_OTHER: Setting(
            KeyGuessingParameters(),
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
    },
)
