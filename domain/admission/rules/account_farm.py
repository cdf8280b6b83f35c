"""Many accounts for one person's free allowance: behind one network, or with the same pictures.

Behind a carrier's address translation, or in a classroom, are many honest accounts; few of them
are at once young, free, and used up. And everybody tries the pictures of a tutorial once.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

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


class AccountFarmParameters(RuleParameters):
    """How many accounts, which of them count, and how many pictures of others."""

    window: LongWindow = timedelta(days=1)
    plans: Annotated[frozenset[str], Field(min_length=1, max_length=16)] = frozenset({"free"})
    """Those whose accounts cost nothing; others are not farmed."""
    accounts: Count = 8
    """In one network, young, and each with `jobs_each` in the last 24 hours."""
    accounts_share: Share = 0.5
    """Of the network's accounts on these plans."""
    younger_than: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=365))] = timedelta(
        days=14
    )
    jobs_each: Count = 40
    shared: Count = 30
    """Pictures that another account sent before, by one account within the window."""
    shared_share: Share = 0.8
    """Of its jobs."""


def judge(known: Known, parameters: AccountFarmParameters) -> Match | None:
    """Find a network full of used-up young accounts, or an account that sends others' pictures."""
    if known.subject.kind is SubjectKind.NETWORK:
        return _many_accounts(known, parameters)
    return _same_pictures(known, parameters) if known.plan in parameters.plans else None


def _many_accounts(known: Known, parameters: AccountFarmParameters) -> Match | None:
    free = [one for one in known.neighbours.values() if one.plan in parameters.plans]
    used_up = [
        one
        for one in free
        if one.age < parameters.younger_than and one.jobs >= parameters.jobs_each
    ]
    if len(used_up) < parameters.accounts or len(used_up) < parameters.accounts_share * len(free):
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.requests),
        {
            "accounts": len(used_up),
            "accounts_threshold": parameters.accounts,
            "share": round(len(used_up) / len(free), 4),
            "share_threshold": parameters.accounts_share,
            "jobs": sum(one.jobs for one in used_up),
            "jobs_each_threshold": parameters.jobs_each,
            "oldest_days": round(max(one.age for one in used_up) / timedelta(days=1), 2),
            "age_threshold_days": parameters.younger_than / timedelta(days=1),
        },
    )


def _same_pictures(known: Known, parameters: AccountFarmParameters) -> Match | None:
    facts = known.within(parameters.window)
    if facts.shared < parameters.shared or facts.shared < parameters.shared_share * facts.jobs:
        return None
    return Match(
        parameters.window,
        known.latest(parameters.window, lambda facts: facts.shared),
        {
            "jobs": facts.jobs,
            "shared": facts.shared,
            "threshold": parameters.shared,
            "share": round(facts.shared / max(facts.jobs, 1), 4),
            "share_threshold": parameters.shared_share,
        },
    )


RULE = Rule(
    name="account_farm",
    says="many young free accounts are used up behind one network, or send the same pictures",
    kinds=frozenset({SubjectKind.NETWORK, SubjectKind.ACCOUNT}),
    parameters=AccountFarmParameters,
    judge=judge,
    defaults={
        EVERY_OTHER: Setting(
            AccountFarmParameters(),
            Severity.MEDIUM,
            Ladder(
                (
                    Rung(step=Step.FLAG),
                    Rung(
                        step=Step.SLOW_DOWN,
                        after=timedelta(minutes=10),
                        expires_after=timedelta(days=1),
                    ),
                )
            ),
        )
    },
)
