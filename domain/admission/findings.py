"""Findings: what a rule found, and what follows when it finds it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.admission.facts import BUCKET, Subject, SubjectKind
from domain.admission.judging import Verdict
from domain.admission.restrictions import Step
from domain.admission.rulebook import OF_NETWORKS
from domain.admission.rules.ladder import Ladder, Mode, Rung, Severity
from schemas.ids import JobId

REMEMBERED_FOR: Final = timedelta(days=30)
"""So long after it went on last, what is found again takes the next step of the ladder."""
QUIET: Final = timedelta(hours=1)
"""So long after it went on last, a finding whose step is over is over."""


class FindingState(StrEnum):
    """How a finding stands: with the judge (open, over), or with people."""

    OPEN = "open"
    APPEALED = "appealed"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of `abuse_findings`; see there. The window and `last_at` are event times."""

    id: str
    rule: str
    plan: str
    version: int
    mode: Mode
    severity: Severity
    subject: Subject
    account_id: str | None
    level: int
    step: Step
    until: datetime | None
    window_start: datetime
    window_end: datetime
    evidence: Mapping[str, int | float | str]
    samples: tuple[JobId, ...]
    error: str | None
    found_at: datetime
    last_at: datetime
    times: int = 1
    state: FindingState = FindingState.OPEN
    appeal: str | None = None
    appealed_at: datetime | None = None
    resolution: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None

    @property
    def stands(self) -> bool:
        """Tell whether it is the one finding of its rule and subject at this time."""
        return self.state in (FindingState.OPEN, FindingState.APPEALED)

    def in_force(self, at: datetime) -> bool:
        """Tell whether its step lasts still."""
        return (
            self.step is not Step.FLAG
            and self.state is not FindingState.DISMISSED
            and (self.until is None or self.until > at)
        )


@dataclass(frozen=True, slots=True)
class Begin:
    """Something new was found; `closes` is the finding that it takes the place of."""

    level: int
    closes: Finding | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """What was found goes on."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Climb:
    """What was found has gone on for so long that the next step is taken."""

    finding: Finding
    level: int


Consequence = Begin | GoOn | Climb

_ERROR_FLAGS: Final = Ladder((Rung(step=Step.FLAG),))
_ERROR_HOLDS: Final = Ladder((Rung(step=Step.REVIEW),))


def ladder_of(verdict: Verdict) -> Ladder:
    """Return the steps that a verdict can take: a rule that fails flags, or holds for review."""
    setting = verdict.asked.setting
    if verdict.error is None:
        return setting.ladder
    holds = setting.fail_closed and verdict.known.subject.kind is not SubjectKind.NETWORK
    return _ERROR_HOLDS if holds else _ERROR_FLAGS


def step_for(subject: Subject, step: Step) -> Step:
    """Return the step that is taken against a subject: a network is only slowed down."""
    if subject.kind is SubjectKind.NETWORK and step not in OF_NETWORKS:
        return Step.SLOW_DOWN
    return step


def went_on_until(verdict: Verdict) -> datetime:
    """Return the end of the last minute in which the subject did what was found."""
    return verdict.match.latest + BUCKET


def follow(verdict: Verdict, earlier: Sequence[Finding], at: datetime) -> Consequence | None:
    """Return what follows from a verdict, given the findings of its rule and subject; or nothing.

    `earlier` has the newest first, and either those that say that the rule failed, or the others.
    """
    if not earlier:
        return Begin(0)
    latest = earlier[0]
    if latest.stands:
        return _goes_on(verdict, latest, earlier, at)
    if latest.in_force(at) or not _anew(verdict, latest):
        return None
    return Begin(_next_level(verdict, earlier, at))


def _goes_on(
    verdict: Verdict, latest: Finding, earlier: Sequence[Finding], at: datetime
) -> Consequence | None:
    mode = verdict.asked.setting.mode
    appealed = latest.state is FindingState.APPEALED
    if latest.mode is Mode.SHADOW and mode is Mode.ENFORCED and not appealed:
        # Recorded only until now: from here on it acts.
        return Begin(_next_level(verdict, earlier, at), latest)
    if went_on_until(verdict) <= latest.last_at:
        return None
    if appealed or latest.mode is not mode:
        return GoOn(latest)
    level = ladder_of(verdict).level(went_on_until(verdict) - latest.window_end)
    if level > latest.level:
        return Climb(latest, level)
    step_is_over = latest.until is not None and latest.until <= verdict.match.latest
    if step_is_over:
        return Begin(_next_level(verdict, earlier, at), latest)
    return GoOn(latest)


def _anew(verdict: Verdict, latest: Finding) -> bool:
    """Tell whether a verdict is about something else than what a finding was about."""
    if latest.state is FindingState.DISMISSED and latest.resolved_at is not None:
        # What a person found harmless does not count again.
        return verdict.known.until - verdict.match.window >= latest.resolved_at
    judged = max(latest.last_at, latest.resolved_at or latest.last_at)
    return verdict.match.latest >= judged


def _next_level(verdict: Verdict, earlier: Sequence[Finding], at: datetime) -> int:
    mode = verdict.asked.setting.mode
    taken = [
        finding.level
        for finding in earlier
        if finding.state is not FindingState.DISMISSED
        and finding.mode is mode
        and at - finding.last_at <= REMEMBERED_FOR
    ]
    top = len(ladder_of(verdict).root) - 1
    return min(max(taken) + 1, top) if taken else 0
