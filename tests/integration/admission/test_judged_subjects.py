"""What the judge finds, and what follows when it finds it again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.accounts.model import AccountState
from domain.accounts.store import get
from domain.admission import rule_store
from domain.admission.findings import FindingState
from domain.admission.memory import Memory
from domain.admission.restrictions import Step, in_force
from domain.admission.rules.ladder import Mode, Severity
from domain.pipeline.judge import UNKNOWN_SUBJECTS
from domain.pipeline.resolve_finding import resolve
from schemas import topics
from schemas.ids import AccountId
from tests.integration.admission.judged_world import (
    DAY,
    HOUR,
    MINUTE,
    RULE,
    account_of,
    count,
    end_what_is_over,
    found,
    misuse,
    set_rule,
    told_of,
    turn,
)
from tests.integration.pipeline.pipeline_world import World

SUSPENDS = [{"step": "suspend_account", "expires_after": "PT2H"}]
CLIMBS = [
    {"step": "flag"},
    {"step": "slow_down", "after": "PT10M", "expires_after": "PT1H"},
    {"step": "review", "after": "PT1H"},
]


def state_of(world: World, account_id: AccountId) -> AccountState:
    account = get(world.conn, account_id)
    world.conn.commit()
    assert account is not None
    return account.state


def test_a_finding_says_what_was_found_where_and_by_which_version_and_is_told_once(
    world: World,
) -> None:
    account = world.account()
    jobs = world.admit(account, 4)
    set_rule(world)
    misuse(world, account)

    judged = turn(world)

    (finding,) = found(world, RULE)
    assert judged.taken == [finding]
    assert (finding.subject, finding.account_id) == (account_of(account), account)
    assert (finding.version, finding.mode, finding.severity) == (2, Mode.ENFORCED, Severity.HIGH)
    assert (finding.step, finding.state, finding.times) == (Step.FLAG, FindingState.OPEN, 1)
    assert finding.evidence["refused"] == 1
    assert finding.window_end - finding.window_start == DAY
    assert finding.window_start < world.clock.now() < finding.window_end
    assert len(finding.samples) == 3
    assert set(finding.samples) <= set(jobs)
    (told,) = told_of(world)
    assert (told.finding_id, told.account_id, told.evidence) == (
        finding.id,
        account,
        finding.evidence,
    )
    assert told.samples == list(finding.samples)
    (message,) = world.messages(topics.ABUSE_FINDINGS)
    assert message.key == account


def test_what_was_judged_is_not_judged_again(world: World) -> None:
    account = world.account()
    misuse(world, account)
    assert turn(world).subjects == 1
    assert turn(world).subjects == 0


def test_the_same_again_is_counted_by_the_minute_and_told_no_second_time(world: World) -> None:
    account = world.account()
    set_rule(world)
    memory = Memory()
    for _ in range(3):
        misuse(world, account)
        turn(world, memory)
        turn(world, memory)
        misuse(world, account)
        turn(world, memory)
        world.clock.move(MINUTE)

    (finding,) = found(world, RULE)
    assert finding.times == 3
    assert finding.last_at > finding.found_at + MINUTE
    assert len(told_of(world)) == 1


def test_in_shadow_it_is_recorded_and_nothing_follows(world: World) -> None:
    account = world.account()
    set_rule(world, SUSPENDS, mode=Mode.SHADOW)
    misuse(world, account)
    turn(world)

    (finding,) = found(world, RULE)
    assert (finding.mode, finding.step) == (Mode.SHADOW, Step.SUSPEND_ACCOUNT)
    assert len(told_of(world)) == 1
    assert state_of(world, account) is AccountState.ACTIVE


def test_what_was_found_in_shadow_acts_when_it_is_found_after_the_rule_is_enforced(
    world: World,
) -> None:
    account = world.account()
    set_rule(world, SUSPENDS, mode=Mode.SHADOW)
    misuse(world, account)
    turn(world)
    set_rule(world, mode=Mode.ENFORCED)
    misuse(world, account)
    turn(world)

    newest, first = found(world, RULE)
    if newest.mode is Mode.SHADOW:
        newest, first = first, newest
    assert (first.state, newest.state, newest.level) == (FindingState.OVER, FindingState.OPEN, 0)
    assert state_of(world, account) is AccountState.SUSPENDED


def test_a_rule_that_is_off_or_overlooks_a_subject_finds_nothing(world: World) -> None:
    overlooked, other = world.account(), world.account()
    set_rule(world)
    rule_store.allow(
        world.conn,
        RULE,
        account_of(overlooked),
        until=world.clock.now() + HOUR,
        reason="a museum",
        by="ops",
        at=world.clock.now(),
    )
    misuse(world, overlooked)
    misuse(world, other)
    turn(world)
    assert [finding.account_id for finding in found(world, RULE)] == [other]

    world.clock.move(HOUR)
    set_rule(world, mode=Mode.OFF)
    misuse(world, overlooked)
    turn(world)
    assert len(found(world, RULE)) == 1

    set_rule(world, mode=Mode.SHADOW)
    misuse(world, overlooked)
    turn(world)
    assert {finding.account_id for finding in found(world, RULE)} == {overlooked, other}


def test_what_goes_on_climbs_the_ladder_and_each_step_is_told(world: World) -> None:
    account = world.account()
    set_rule(world, CLIMBS)
    memory = Memory()
    steps: list[Step] = []
    for _ in range(8):
        misuse(world, account)
        turn(world, memory)
        steps.append(found(world, RULE)[0].step)
        world.clock.move(timedelta(minutes=10))

    assert steps == [Step.FLAG, *[Step.SLOW_DOWN] * 5, *[Step.REVIEW] * 2]
    assert [told.step for told in told_of(world)] == ["flag", "slow_down", "review"]
    assert len({told.finding_id for told in told_of(world)}) == 1
    assert in_force(world.conn, [account], world.clock.now())[account].review


def test_what_stays_in_the_window_after_it_was_left_off_does_not_climb(world: World) -> None:
    account = world.account()
    set_rule(world, CLIMBS)
    memory = Memory()
    misuse(world, account)
    for _ in range(8):
        turn(world, memory)
        world.clock.move(timedelta(minutes=10))
        count(world, account_of(account), succeeded=1)

    (finding,) = found(world, RULE)
    assert (finding.step, finding.times) == (Step.FLAG, 1)


def test_what_is_found_again_within_thirty_days_takes_the_next_step_unless_it_was_dismissed(
    world: World,
) -> None:
    account = world.account()
    set_rule(world, CLIMBS)
    misuse(world, account)
    turn(world)
    world.clock.move(DAY)
    assert end_what_is_over(world) == 1
    misuse(world, account)
    turn(world)
    second, first = found(world, RULE)
    assert (first.state, second.step) == (FindingState.OVER, Step.SLOW_DOWN)

    resolve(world.conn, second.id, FindingState.DISMISSED, note="", by="ops", clock=world.clock)
    world.clock.move(2 * DAY)
    misuse(world, account)
    turn(world)
    assert found(world, RULE)[0].step is Step.SLOW_DOWN

    world.clock.move(31 * DAY)
    end_what_is_over(world)
    misuse(world, account)
    turn(world)
    assert found(world, RULE)[0].step is Step.FLAG


def test_a_suspension_ends_by_itself_and_not_before_its_time(world: World) -> None:
    account = world.account()
    (job_id,) = world.admit(account)
    set_rule(world, SUSPENDS)
    misuse(world, account)
    turn(world)
    assert state_of(world, account) is AccountState.SUSPENDED
    assert world.dispatch().dispatched == 0

    world.clock.move(2 * HOUR - MINUTE)
    assert end_what_is_over(world) == 0
    assert state_of(world, account) is AccountState.SUSPENDED
    world.clock.move(MINUTE)
    # The restriction, and what was found: it did not go on.
    assert end_what_is_over(world) + end_what_is_over(world) == 2

    assert state_of(world, account) is AccountState.ACTIVE
    assert found(world, RULE)[0].state is FindingState.OVER
    assert world.dispatch().dispatched == 1
    assert world.claim((job_id, 1)) == [job_id]


def test_while_its_step_is_in_force_a_rule_takes_no_second_one(world: World) -> None:
    account = world.account()
    set_rule(world, SUSPENDS)
    memory = Memory()
    for _ in range(3):
        misuse(world, account)
        turn(world, memory)
        world.clock.move(10 * MINUTE)
    row = world.conn.execute("SELECT count(*) FROM restrictions").fetchone()
    assert row == (1,)
    assert len(found(world, RULE)) == 1


@pytest.mark.parametrize("first", ["operator", "finding"])
def test_an_operators_own_suspension_outlasts_that_of_a_finding(world: World, first: str) -> None:
    account = world.account()
    set_rule(world, SUSPENDS)
    if first == "operator":
        world.suspend(account)
    misuse(world, account)
    turn(world)
    world.suspend(account)
    world.clock.move(2 * HOUR)
    end_what_is_over(world)
    assert state_of(world, account) is AccountState.SUSPENDED


def test_an_account_that_two_findings_suspend_is_resumed_when_the_last_of_them_is_over(
    world: World,
) -> None:
    account = world.account()
    set_rule(world, SUSPENDS)
    rule_store.write(
        world.conn,
        "broken_files",
        "*",
        rule_store.Change(
            parameters={"at_least": 1},
            ladder=[{"step": "suspend_account", "expires_after": "PT3H"}],
        ),
        by="ops",
        at=world.clock.now(),
    )
    for _ in range(12):
        count(world, account_of(account), jobs=200, broken=200, hostile=200, content_refused=9)
        turn(world)
        world.clock.move(MINUTE)
    assert {f.rule for f in found(world)} >= {RULE, "broken_files"}

    world.clock.move(2 * HOUR)
    end_what_is_over(world)
    assert state_of(world, account) is AccountState.SUSPENDED
    world.clock.move(HOUR)
    end_what_is_over(world)
    assert state_of(world, account) is AccountState.ACTIVE


def test_a_minute_that_is_late_is_judged_at_its_own_end(world: World) -> None:
    account = world.account()
    set_rule(world)
    memory = Memory()
    count(world, account_of(account), succeeded=1)
    turn(world, memory)
    late = world.clock.now() - timedelta(days=2)
    misuse(world, account, late)
    turn(world, memory)

    (finding,) = found(world, RULE)
    assert finding.window_end - late <= MINUTE


def test_subjects_without_an_account_are_not_judged_and_do_not_wait(world: World) -> None:
    set_rule(world)
    misuse(world, "acc_nobody")
    assert turn(world).subjects == 1
    assert found(world) == []
    assert turn(world).subjects == 0


def test_more_subjects_than_a_turn_reads_the_history_of_wait_for_the_next_one(
    world: World,
) -> None:
    for number in range(UNKNOWN_SUBJECTS + 10):
        misuse(world, f"acc_{number}")
    memory = Memory()
    first, second, third = (turn(world, memory) for _ in range(3))
    assert (first.subjects, first.more) == (UNKNOWN_SUBJECTS, True)
    assert (second.subjects, second.more) == (10, False)
    assert third.subjects == 0
