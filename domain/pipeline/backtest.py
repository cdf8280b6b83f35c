"""What rules would have found in stored facts, beside what was found. Nothing is changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from domain.accounts import read as accounts
from domain.admission import findings_store, known_store
from domain.admission.facts import BUCKET, Subject, SubjectKind
from domain.admission.findings import QUIET, Finding, went_on_until
from domain.admission.judging import Verdict, judge
from domain.admission.memory import Memory, Remembered, begins, recall
from domain.admission.rulebook import Rulebook, Versioned
from domain.admission.rules import RULES
from domain.admission.rules.rule import Known
from domain.pipeline.whose import Whose

_AT_ONCE: Final = 25
_DAYS_AT_ONCE: Final = timedelta(days=100)
"""Days of minutes, of all subjects together, that are in memory at a time."""

Progress = Callable[[int, int], None]
"""Told how many subjects were walked, of how many."""


@dataclass(frozen=True, slots=True)
class WouldFind:
    """What a rule would have found: from when to when in event time, and what showed it first."""

    rule: str
    subject: Subject
    account_id: str | None
    plan: str
    version: int
    first_at: datetime
    last_at: datetime
    minutes: int
    evidence: Mapping[str, int | float | str]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What is found now beside what was found then, of one rule and subject; not both are None."""

    rule: str
    subject: Subject
    at: datetime
    """The end of the first minute, in event time, in which either found it."""
    now: WouldFind | None
    then: Finding | None


def backtest(
    conn: Connection,
    rulebook: Rulebook,
    *,
    since: datetime,
    end: datetime,
    account_id: str | None = None,
    told: Progress = lambda _, __: None,
) -> list[Compared]:
    """Walk the minutes from `since` until before `end`, subject by subject in event time.

    `rulebook` says which rules are asked, with which parameters; those that are off are not.
    Plans, ages and whose a key is are those of today. A finding lasts as long as no hour passes
    without a match. The earliest comes first.
    """
    kinds = {kind for rule, _ in rulebook.settings for kind in RULES[rule].kinds}
    subjects = known_store.active(conn, kinds, since, end)
    if account_id is not None:
        holders = accounts.holders(conn, [s.id for s in subjects if s.kind is SubjectKind.KEY])
        subjects = [
            s
            for s in subjects
            if (s.id if s.kind is SubjectKind.ACCOUNT else holders.get(s.id)) == account_id
        ]
    found: list[WouldFind] = []
    at_once = max(1, min(_AT_ONCE, int(_DAYS_AT_ONCE / (end - since))))
    for place in range(0, len(subjects), at_once):
        told(place, len(subjects))
        found += _walk(conn, rulebook, subjects[place : place + at_once], since, end)
    told(len(subjects), len(subjects))
    names = sorted({rule for rule, _ in rulebook.settings})
    stored = [
        finding
        for finding in findings_store.overlapping(conn, names, since, end)
        if account_id is None or finding.account_id == account_id
    ]
    return _compared(found, stored)


def _walk(
    conn: Connection,
    rulebook: Rulebook,
    subjects: Sequence[Subject],
    since: datetime,
    end: datetime,
) -> Iterator[WouldFind]:
    memory = Memory()
    first = begins(since + BUCKET)
    memory.hold(recall(conn, dict.fromkeys(subjects, first), end))
    memory.hold(recall(conn, dict.fromkeys(_seen_in(memory, subjects), first), end))
    whose = Whose(conn, memory, dict.fromkeys(subjects, end))
    for subject in subjects:
        plan, own = whose.plan(subject), memory.get(subject)
        if plan is not None and own is not None:
            known = _known_at_each(whose, subject, plan, own, since)
            yield from _found(known, rulebook.all_of(plan))


def _known_at_each(
    whose: Whose, subject: Subject, plan: str, own: Remembered, since: datetime
) -> Iterator[Known]:
    """Let a subject's minutes come one by one, as they came to the judge."""
    so_far = Remembered(own.since, [], own.hours, own.sightings, own.past)
    for minute in own.minutes:
        so_far.put(minute)
        if minute.at >= since:
            yield whose.known(subject, plan, so_far, minute.at + BUCKET)
            so_far.forget(subject.kind)


def _found(each: Iterable[Known], settings: Sequence[Versioned]) -> Iterator[WouldFind]:
    """Yield what rules find, each from its first minute to where an hour passes without it."""
    standing: dict[str, WouldFind] = {}
    for known in each:
        for verdict in judge(known, settings):
            rule, last_at = verdict.asked.rule.name, went_on_until(verdict)
            before = standing.get(rule)
            if before is not None and last_at - before.last_at <= QUIET:
                if last_at > before.last_at:
                    longer = replace(before, last_at=last_at, minutes=before.minutes + 1)
                    standing[rule] = longer
                continue
            if before is not None:
                yield before
            standing[rule] = _would_find(verdict, last_at)
    yield from standing.values()


def _would_find(verdict: Verdict, last_at: datetime) -> WouldFind:
    return WouldFind(
        rule=verdict.asked.rule.name,
        subject=verdict.known.subject,
        account_id=verdict.known.account_id,
        plan=verdict.known.plan,
        version=verdict.asked.version,
        first_at=verdict.known.until,
        last_at=last_at,
        minutes=1,
        evidence=verdict.match.evidence,
        error=verdict.error,
    )


def _seen_in(memory: Memory, subjects: Sequence[Subject]) -> set[Subject]:
    """Return the accounts that were seen in networks, but for those that are walked as well."""
    networks = [memory.get(s) for s in subjects if s.kind is SubjectKind.NETWORK]
    seen = {sighting.account_id for own in networks if own for sighting in own.sightings}
    return {Subject(SubjectKind.ACCOUNT, id_) for id_ in seen} - set(subjects)


def _compared(found: Sequence[WouldFind], stored: Sequence[Finding]) -> list[Compared]:
    """Put together what is of one rule and subject and of one time, an hour apart at most."""
    left = list(stored)
    compared: list[Compared] = []
    for now in found:
        same = [
            then
            for then in left
            if (then.rule, then.subject) == (now.rule, now.subject)
            and now.first_at <= max(then.window_end, then.last_at) + QUIET
            and then.window_end <= now.last_at + QUIET
        ]
        for then in same:
            left.remove(then)
        at = min([now.first_at, *(then.window_end for then in same)])
        compared.append(Compared(now.rule, now.subject, at, now, same[0] if same else None))
    compared += [Compared(t.rule, t.subject, t.window_end, None, t) for t in left]
    return sorted(compared, key=lambda one: (one.at, one.rule, one.subject))
