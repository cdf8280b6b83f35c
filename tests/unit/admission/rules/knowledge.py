"""What rules are asked about in tests: subjects with facts at given minutes and hours ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from domain.admission.facts import Bucket, Facts, Subject, SubjectKind
from domain.admission.rules.rule import (
    EVERY_OTHER,
    RECENT,
    Known,
    Match,
    Rule,
    RuleParameters,
    Sighting,
)

UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

P = TypeVar("P", bound=RuleParameters)


def known(
    kind: SubjectKind = SubjectKind.ACCOUNT,
    plan: str = "standard",
    *,
    minutes: Mapping[int, Facts] | None = None,
    hours: Mapping[int, Facts] | None = None,
    **more: Any,
) -> Known:
    """Return what is known: `minutes` by how many ago they began, from 1; `hours` from 3."""
    return Known(
        Subject(kind, "one"),
        plan,
        UNTIL,
        minutes=[
            Bucket(UNTIL - ago * MINUTE, facts)
            for ago, facts in sorted((minutes or {}).items(), reverse=True)
        ],
        hours=[
            Bucket(UNTIL - ago * HOUR, facts)
            for ago, facts in sorted((hours or {}).items(), reverse=True)
            if ago * HOUR > RECENT
        ],
        **more,
    )


def sighting(network: str, country: str = "", *, ago: timedelta = MINUTE) -> Sighting:
    """Return a sighting of the one key, an instant long."""
    at = UNTIL - ago
    hour = at.replace(minute=0, second=0, microsecond=0)
    return Sighting("key_one", "acct_one", network, country, hour, 1, at, at)


def judged(rule: Rule[P], known: Known) -> Match | None:
    """Ask a rule with its defaults for the plan of whom it is asked about."""
    setting = rule.defaults.get(known.plan, rule.defaults[EVERY_OTHER])
    return rule.judge(known, setting.parameters)


def found(rule: Rule[P], known: Known) -> bool:
    """Return whether a rule with its defaults finds something."""
    return judged(rule, known) is not None
