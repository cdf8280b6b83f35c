"""How each rule stands for each plan, in versions; and what may be written of that."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from domain.admission.facts import SubjectKind
from domain.admission.restrictions import Step
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Ladder, Mode, Severity
from domain.admission.rules.rule import EVERY_OTHER, Rule, Setting

OF_NETWORKS: Final = frozenset({Step.FLAG, Step.SLOW_DOWN})
"""The steps that can be taken against a network, whose accounts are many."""


class RuleSettingError(ValueError):
    """A setting of a rule that cannot be: says of which field, with its value. Nothing changed."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A setting of a rule for a plan, as it was written once and is never changed."""

    rule: Rule[Any]
    plan: str
    version: int
    setting: Setting[Any]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different in a setting's next version; None is as it was."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    mode: Mode | None = None
    severity: Severity | None = None
    ladder: object = None
    """As JSON has it: a list of steps."""
    fail_closed: bool | None = None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The newest setting of each rule for each plan.

    `unreadable` tells of versions that this picmend cannot read; the ones before them count.
    """

    settings: Mapping[tuple[str, str], Versioned]
    unreadable: tuple[str, ...] = ()

    def of(self, rule: str, plan: str) -> Versioned:
        """Return how a rule stands for a plan: as for all others when nothing is said of it."""
        own = self.settings.get((rule, plan))
        return own if own is not None else self.settings[rule, EVERY_OTHER]

    def all_of(self, plan: str) -> list[Versioned]:
        """Return how every rule stands for a plan."""
        return [self.of(rule, plan) for rule in dict.fromkeys(name for name, _ in self.settings)]


def rule_named(name: str) -> Rule[Any]:
    """Return a rule. Raises `RuleSettingError` when there is none of that name."""
    if name not in RULES:
        raise RuleSettingError(f"rule: there is no {name!r}; rules are {', '.join(RULES)}")
    return RULES[name]


def changed(rule: Rule[Any], old: Setting[Any], change: Change) -> Setting[Any]:
    """Return a setting with a change made to it. Raises `RuleSettingError`."""
    given = old.parameters.model_dump(mode="json") | dict(change.parameters)
    setting = replace(
        old,
        parameters=parsed(rule.parameters, given, of=f"{rule.name}: parameters"),
        mode=old.mode if change.mode is None else change.mode,
        severity=old.severity if change.severity is None else change.severity,
        fail_closed=old.fail_closed if change.fail_closed is None else change.fail_closed,
        ladder=(
            old.ladder
            if change.ladder is None
            else parsed(Ladder, change.ladder, of=f"{rule.name}: ladder")
        ),
    )
    _require_fitting(rule, setting.ladder)
    return setting


def parsed(type_: Any, given: object, *, of: str) -> Any:
    """Return a value of a pydantic type. Raises `RuleSettingError` that names what is wrong."""
    try:
        return type_.model_validate(given)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part) for part in each['loc']) or 'the whole'}"
            f" = {each['input']!r}: {each['msg']}"
            for each in error.errors(include_url=False)
        ]
        raise RuleSettingError(f"{of}: {'; '.join(wrong)}") from error


def _require_fitting(rule: Rule[Any], ladder: Ladder) -> None:
    if rule.kinds != {SubjectKind.NETWORK}:
        return
    for number, rung in enumerate(ladder.root):
        if rung.step not in OF_NETWORKS:
            raise RuleSettingError(
                f"{rule.name}: ladder: {number}.step = {rung.step.value!r}:"
                f" a network can only be flagged or slowed down"
            )
