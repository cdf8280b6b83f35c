"""A rule that raises is the operator's concern; jobs go on, or wait, as its setting says."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import Connection

from domain.admission.facts import Subject, SubjectKind
from domain.admission.findings import FindingState
from domain.admission.memory import Memory
from domain.admission.restrictions import FREE, Step, in_force
from domain.admission.rulebook import Rulebook, Versioned
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Ladder, Mode, Rung, Severity
from domain.admission.rules.rule import Known, Match, Rule, RuleParameters, Setting
from domain.pipeline.decide import Admitted
from domain.pipeline.resolve_finding import resolve
from schemas.ids import AccountId
from tests.integration.admission.judged_world import (
    DAY,
    MINUTE,
    account_of,
    count,
    end_what_is_over,
    found,
    told_of,
    turn,
)
from tests.integration.pipeline.pipeline_world import World


def raises(known: Known, _: RuleParameters) -> Match | None:
    if known.within(MINUTE).succeeded:
        raise ZeroDivisionError("of nothing")
    return Match(DAY, known.until - MINUTE, {"reads": known.within(MINUTE).reads})


def bad_evidence(known: Known, _: RuleParameters) -> Match | None:
    return Match(DAY, known.until - MINUTE, {"share": float("nan")})


def rulebook(
    judge: Any = raises, *, fail_closed: bool = False, mode: Mode = Mode.ENFORCED
) -> Rulebook:
    """Return the rules that come with picmend, with one of them in other hands."""
    setting = Setting(
        RuleParameters(), Severity.LOW, Ladder((Rung(step=Step.FLAG),)), mode, fail_closed
    )
    rule = Rule(
        "burst", "it is a test", frozenset(SubjectKind), RuleParameters, judge, {"*": setting}
    )
    at = World("", None).clock.now()  # type: ignore[arg-type]  # its clock alone is asked
    all_ = {
        (name, "*"): Versioned(RULES[name], "*", 1, RULES[name].defaults["*"], "ops", at)
        for name in ("forbidden_content", "key_guessing")
    }
    return Rulebook({**all_, ("burst", "*"): Versioned(rule, "*", 7, setting, "ops", at)})


def failing(world: World, book: Rulebook, memory: Memory | None = None) -> None:
    def load(_: Connection) -> Rulebook:
        return book

    turn(world, memory, load=load)


def admits(world: World, account: AccountId) -> bool:
    candidate = world.candidate(account)
    return isinstance(world.decide(candidate)[candidate.job_id], Admitted)


def test_its_error_is_one_grave_finding_and_jobs_go_on_as_do_the_other_rules(
    world: World,
) -> None:
    account = world.account()
    memory = Memory()
    for _ in range(3):
        count(world, account_of(account), succeeded=1, content_refused=100)
        failing(world, rulebook(), memory)
        world.clock.move(MINUTE)

    (failure,) = [each for each in found(world) if each.error is not None]
    assert failure.error == "ZeroDivisionError: of nothing"
    assert (failure.rule, failure.version, failure.times) == ("burst", 7, 3)
    assert (failure.severity, failure.step) == (Severity.HIGH, Step.FLAG)
    assert [told.rule for told in told_of(world) if told.error] == ["burst"]
    assert [each.rule for each in found(world) if each.error is None] == ["forbidden_content"]
    assert in_force(world.conn, [account], world.clock.now()).get(account, FREE) == FREE
    assert admits(world, account)


def test_evidence_that_is_none_is_an_error_of_the_rule(world: World) -> None:
    count(world, account_of(world.account()), succeeded=1)
    failing(world, rulebook(bad_evidence))
    (failure,) = found(world)
    assert failure.error == "BadEvidenceError: share is nan"


@pytest.mark.parametrize("mode", [Mode.ENFORCED, Mode.SHADOW])
def test_one_that_is_closed_on_failure_holds_new_jobs_until_a_person_has_looked(
    world: World, mode: Mode
) -> None:
    account = world.account()
    count(world, account_of(account), succeeded=1)
    failing(world, rulebook(fail_closed=True, mode=mode))
    world.clock.move(3 * DAY)
    end_what_is_over(world)
    assert admits(world, account) is (mode is Mode.SHADOW)
    if mode is Mode.SHADOW:
        return

    (failure,) = found(world)
    assert (failure.step, failure.state) == (Step.REVIEW, FindingState.OPEN)
    resolve(
        world.conn, failure.id, FindingState.DISMISSED, note="mended", by="ops", clock=world.clock
    )
    assert admits(world, account)


def test_an_error_stands_beside_what_the_rule_found_before_it_failed(world: World) -> None:
    account = world.account()
    count(world, account_of(account), reads=1)
    failing(world, rulebook())
    count(world, account_of(account), succeeded=1)
    failing(world, rulebook())
    assert {each.error is None for each in found(world)} == {True, False}


def test_a_network_is_only_ever_slowed_down_and_a_key_through_its_account_but_for_that(
    world: World,
) -> None:
    account = world.account()
    row = world.conn.execute("SELECT id FROM credentials").fetchone()
    assert row is not None
    key, network = Subject(SubjectKind.KEY, row[0]), Subject(SubjectKind.NETWORK, "192.0.2.0/24")
    suspends = Setting(
        RuleParameters(), Severity.LOW, Ladder((Rung(step=Step.SUSPEND_ACCOUNT),)), Mode.ENFORCED
    )
    slows = Setting(
        RuleParameters(), Severity.LOW, Ladder((Rung(step=Step.SLOW_DOWN),)), Mode.ENFORCED
    )
    now = world.clock.now()

    def of(name: str, setting: Setting[RuleParameters]) -> Versioned:
        rule = Rule(name, "", frozenset(SubjectKind), RuleParameters, raises, {"*": setting})
        return Versioned(rule, "*", 1, setting, "ops", now)

    book = Rulebook(
        {("burst", "*"): of("burst", suspends), ("scraping", "*"): of("scraping", slows)}
    )
    for subject in (key, network):
        count(world, subject, reads=1)
    failing(world, book)

    rows = world.conn.execute("SELECT kind, subject, step FROM restrictions ORDER BY 1, 2, 3")
    assert rows.fetchall() == [
        ("account", account, "suspend_account"),
        ("key", key.id, "slow_down"),
        ("network", network.id, "slow_down"),
        ("network", network.id, "slow_down"),
    ]
    of_network = [each for each in found(world) if each.subject == network]
    assert {each.step for each in of_network} == {Step.SLOW_DOWN}
    assert {each.account_id for each in of_network} == {None}
    assert {each.account_id for each in found(world) if each.subject == key} == {account}
