"""Judging: rules are asked of the minutes that have changed, and act on what they find."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from psycopg import Connection

from domain.accounts import store as account_store
from domain.admission import findings_store, known_store, restrictions, rule_store
from domain.admission.facts import BUCKET, Subject, SubjectKind
from domain.admission.findings import (
    Begin,
    Climb,
    Consequence,
    Finding,
    GoOn,
    follow,
    ladder_of,
    step_for,
    went_on_until,
)
from domain.admission.findings_store import About
from domain.admission.judging import Verdict, judge
from domain.admission.known_store import Touched
from domain.admission.memory import Memory, Remembered
from domain.admission.restrictions import Step
from domain.admission.rulebook import Rulebook, Versioned
from domain.admission.rules.ladder import Mode, Severity
from domain.jobs import outbox
from domain.jobs import read as jobs
from domain.jobs.outbox import Message
from domain.pipeline.restrain import expire, restrain
from domain.pipeline.whose import Whose
from infra.clock import Clock
from schemas import events, topics
from schemas.events import AbuseFound
from schemas.ids import AccountId, new_finding_id

CHANGES: Final = 5_000
"""Changed minutes that a turn takes at most."""
UNKNOWN_SUBJECTS: Final = 25
"""Subjects of whom nothing is remembered that a turn takes at most: their history is read."""
SAMPLES: Final = 3
_OVERDUE: Final = 100
_BY: Final = "judge"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a turn came to: subjects judged, steps taken, errors of rules by name."""

    subjects: int = 0
    taken: Sequence[Finding] = ()
    """New findings, and those that came to their next step."""
    errors: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[str, ...] = ()
    more: bool = False


def judge_once(
    conn: Connection,
    memory: Memory,
    *,
    clock: Clock,
    load: Callable[[Connection], Rulebook] = rule_store.load,
) -> Judged:
    """Judge subjects whose facts have changed, the longest waiting first, in one transaction.

    `more` tells whether others wait. Accounts that are restrained are locked in the order of
    their ids, before any finding is written. Only one at a time may do this. `load` says which
    rules are asked.
    """
    line = known_store.touched(conn, CHANGES)
    if not line:
        return Judged()
    rulebook = load(conn)
    chosen = _chosen(line, memory)
    changed: dict[Subject, set[datetime]] = {}
    for each in chosen:
        changed.setdefault(each.subject, set()).add(each.bucket)
    memory.learn(conn, changed)
    verdicts = list(_verdicts(conn, memory, changed, rulebook, clock.now()))
    memory.settle(changed)
    taken = _act(conn, verdicts, clock)
    known_store.take(conn, [each.id for each in chosen])
    return Judged(
        subjects=len(changed),
        taken=taken,
        errors=Counter(v.asked.rule.name for v in verdicts if v.error is not None),
        unreadable=rulebook.unreadable,
        more=len(chosen) < len(line) or len(line) == CHANGES,
    )


def let_go(conn: Connection, *, clock: Clock) -> int:
    """End what is over by time: findings, and restrictions of findings; return how many.

    For a connection in autocommit: each restriction ends in a transaction of its own.
    """
    with conn.transaction():
        ended = findings_store.close_quiet(conn, clock.now())
    for each in restrictions.overdue(conn, clock.now(), _OVERDUE):
        with conn.transaction():
            expire(conn, each, by=_BY, clock=clock)
        ended += 1
    return ended


def _chosen(line: Sequence[Touched], memory: Memory) -> list[Touched]:
    """Take all changes of those who are remembered, and of a few others, the first in line."""
    unknown: set[Subject] = set()
    for each in line:
        if len(unknown) < UNKNOWN_SUBJECTS and not memory.knows(each.subject, each.bucket):
            unknown.add(each.subject)
    return [
        each for each in line if each.subject in unknown or memory.knows(each.subject, each.bucket)
    ]


def _verdicts(
    conn: Connection,
    memory: Memory,
    changed: Mapping[Subject, set[datetime]],
    rulebook: Rulebook,
    at: datetime,
) -> Iterator[Verdict]:
    """Ask all rules of each subject, at the end of each changed minute and of its newest one."""
    overlooked = {(a.rule, Subject(a.kind, a.subject)) for a in rule_store.allowed(conn, at)}
    times = {
        subject: sorted({at + BUCKET for at in minutes} | {_of(memory, subject).newest})
        for subject, minutes in changed.items()
    }
    whose = Whose(conn, memory, {subject: until[-1] for subject, until in times.items()})
    settings: dict[str, list[Versioned]] = {}
    for subject, untils in times.items():
        plan = whose.plan(subject)
        if plan is None:
            continue
        if plan not in settings:
            settings[plan] = rulebook.all_of(plan)
        for until in untils:
            known = whose.known(subject, plan, _of(memory, subject), until)
            yield from judge(known, settings[plan], overlooked)


def _of(memory: Memory, subject: Subject) -> Remembered:
    own = memory.get(subject)
    if own is None:
        raise LookupError(f"{subject} was learned and is not remembered")
    return own


def _act(conn: Connection, verdicts: Sequence[Verdict], clock: Clock) -> list[Finding]:
    """Do what follows from verdicts: of several of one rule and subject, from the last one."""
    if not verdicts:
        return []
    at = clock.now()
    last: dict[About, Verdict] = {}
    for verdict in verdicts:
        last[verdict.asked.rule.name, verdict.known.subject, verdict.error is not None] = verdict
    earlier = findings_store.earlier(conn, {subject for _, subject, _ in last}, at)
    goes_on: dict[str, datetime] = {}
    steps: list[tuple[Consequence, Finding, Verdict]] = []
    for about, verdict in sorted(last.items(), key=lambda item: item[0]):
        consequence = follow(verdict, earlier.get(about, ()), at)
        match consequence:
            case None:
                pass
            case GoOn():
                goes_on[consequence.finding.id] = went_on_until(verdict)
            case Climb():
                steps.append((consequence, _climbed(consequence, verdict, at), verdict))
            case Begin():
                steps.append((consequence, _found(conn, consequence, verdict, at), verdict))
    restrained = {s.id for _, finding, _ in steps for s in _against(finding) if s.kind == "account"}
    for account_id in sorted(restrained):
        account_store.lock_to_change(conn, AccountId(account_id))
    if goes_on:
        findings_store.go_on(conn, dict(sorted(goes_on.items())))
    return [
        finding
        for consequence, finding, verdict in steps
        if _take(conn, consequence, finding, verdict, clock)
    ]


def _take(
    conn: Connection, consequence: Consequence, finding: Finding, verdict: Verdict, clock: Clock
) -> bool:
    if isinstance(consequence, Climb):
        stored = findings_store.climb(conn, finding)
    else:
        if isinstance(consequence, Begin) and consequence.closes is not None:
            findings_store.close(conn, consequence.closes.id)
        stored = findings_store.insert(conn, finding)
    if not stored:
        # A person has resolved it, or appealed, since it was read.
        return False
    rung = ladder_of(verdict).root[finding.level]
    for subject in _against(finding):
        restrain(
            conn,
            subject,
            finding.step,
            operation=rung.operation if finding.step is Step.SUSPEND_OPERATION else None,
            finding_id=finding.id,
            reason=f"{finding.rule}: {_said(verdict)}",
            by=_BY,
            until=finding.until,
            clock=clock,
        )
    outbox.put(conn, [_told(finding, clock.now())], clock.now())
    return True


def _said(verdict: Verdict) -> str:
    return verdict.asked.rule.says if verdict.error is None else f"the rule fails: {verdict.error}"


def _against(finding: Finding) -> list[Subject]:
    """Return whom a finding's step is taken against: of a key, the account for all but slowing."""
    if finding.mode is not Mode.ENFORCED or finding.step is Step.FLAG:
        return []
    if finding.subject.kind is SubjectKind.KEY and finding.step is not Step.SLOW_DOWN:
        return [Subject(SubjectKind.ACCOUNT, finding.account_id)] if finding.account_id else []
    return [finding.subject]


def _found(conn: Connection, begin: Begin, verdict: Verdict, at: datetime) -> Finding:
    known, match, setting = verdict.known, verdict.match, verdict.asked.setting
    start = known.until - match.window
    samples = (
        jobs.asked_within(conn, known.account_id, start, known.until, SAMPLES)
        if known.account_id
        else []
    )
    finding = Finding(
        id=new_finding_id(),
        rule=verdict.asked.rule.name,
        plan=verdict.asked.plan,
        version=verdict.asked.version,
        mode=setting.mode,
        severity=setting.severity if verdict.error is None else Severity.HIGH,
        subject=known.subject,
        account_id=known.account_id,
        level=begin.level,
        step=Step.FLAG,
        until=None,
        window_start=start,
        window_end=known.until,
        evidence=match.evidence,
        samples=tuple(samples),
        error=verdict.error,
        found_at=at,
        last_at=went_on_until(verdict),
    )
    return _at_step(finding, begin.level, verdict, at)


def _climbed(climb: Climb, verdict: Verdict, at: datetime) -> Finding:
    finding = replace(
        climb.finding,
        plan=verdict.asked.plan,
        version=verdict.asked.version,
        times=climb.finding.times + 1,
        last_at=max(climb.finding.last_at, went_on_until(verdict)),
    )
    return _at_step(finding, climb.level, verdict, at)


def _at_step(finding: Finding, level: int, verdict: Verdict, at: datetime) -> Finding:
    rung = ladder_of(verdict).root[level]
    until = at + rung.expires_after if rung.expires_after else None
    return replace(finding, level=level, step=step_for(finding.subject, rung.step), until=until)


def _told(finding: Finding, at: datetime) -> Message:
    event = events.abuse_found(
        AbuseFound(
            finding_id=finding.id,
            account_id=AccountId(finding.account_id) if finding.account_id else None,
            kind=finding.subject.kind.value,
            subject=finding.subject.id,
            rule=finding.rule,
            version=finding.version,
            mode=finding.mode.value,
            severity=finding.severity.value,
            level=finding.level,
            step=finding.step.value,
            error=finding.error,
            samples=list(finding.samples),
            window_start=finding.window_start,
            window_end=finding.window_end,
            evidence=dict(finding.evidence),
        ),
        at=at,
    )
    return Message(topics.ABUSE_FINDINGS, event.partitionkey, event.encode())
