"""`picmend abuse`, on findings and facts of a test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.accounts.model import AccountState
from domain.accounts.store import get
from domain.admission.memory import Memory
from schemas.ids import AccountId
from tests.integration.admission.judged_world import (
    DAY,
    HOUR,
    MINUTE,
    RULE,
    account_of,
    count,
    found,
    misuse,
    set_rule,
    turn,
)
from tests.integration.pipeline.pipeline_world import World

if TYPE_CHECKING:
    from typer.testing import Result

Command = Callable[..., "Result"]


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def suspended(world: World) -> AccountId:
    """Return an account that a finding has suspended."""
    account = world.account()
    set_rule(world, [{"step": "suspend_account"}])
    misuse(world, account)
    turn(world)
    return account


def state_of(world: World, account_id: AccountId) -> AccountState:
    account = get(world.conn, account_id)
    world.conn.commit()
    assert account is not None
    return account.state


def test_findings_are_listed_by_what_is_asked_for(world: World, picmend: Command) -> None:
    account = suspended(world)
    (finding,) = found(world)

    def ids(*options: str) -> list[str]:
        return [
            each["id"] for each in told(picmend("abuse", "list", *options, "--json"))["findings"]
        ]

    assert ids() == [finding.id]
    for options in (
        ("--rule", RULE),
        ("--state", "open", "--state", "over"),
        ("--account", account),
        ("--mode", "enforced"),
        ("--since", (finding.found_at - HOUR).isoformat()),
    ):
        assert ids(*options) == [finding.id]
    for options in (
        ("--rule", "burst"),
        ("--state", "over"),
        ("--account", "acc_other"),
        ("--mode", "shadow"),
        ("--since", (finding.found_at + HOUR).isoformat()),
        ("--errors",),
    ):
        assert ids(*options) == []
    assert finding.id in picmend("abuse", "list").output
    assert picmend("abuse", "list", "--since", "yesterday").exit_code == 2


def test_a_dismissed_finding_lets_the_account_go_and_a_confirmed_one_does_not(
    world: World, picmend: Command
) -> None:
    account = suspended(world)
    (finding,) = found(world)
    shown = told(picmend("abuse", "show", finding.id, "--json"))
    assert (shown["evidence"]["refused"], shown["restrictions"][0]["step"]) == (
        1,
        "suspend_account",
    )
    assert "suspend_account" in picmend("abuse", "show", finding.id).output

    appealed = told(picmend("abuse", "appeal", finding.id, "--text", "It was art.", "--json"))
    assert (appealed["state"], appealed["appeal"]) == ("appealed", "It was art.")
    confirmed = picmend(
        "abuse", "resolve", finding.id, "--as", "confirmed", "--note", "no", "--json"
    )
    assert told(confirmed)["state"] == "confirmed"
    assert state_of(world, account) is AccountState.SUSPENDED

    dismissed = picmend(
        "abuse",
        "resolve",
        finding.id,
        "--as",
        "dismissed",
        "--note",
        "it was",
        "--by",
        "Eve",
        "--json",
    )
    resolved = told(dismissed)
    assert (resolved["state"], resolved["resolved_by"]) == ("dismissed", "Eve")
    assert resolved["restrictions"][0]["lifted_by"] == "Eve"
    assert state_of(world, account) is AccountState.ACTIVE

    again = picmend("abuse", "resolve", finding.id, "--as", "confirmed", "--note", "")
    assert again.exit_code == 1
    assert "dismissed already, by Eve" in again.output
    assert picmend("abuse", "appeal", finding.id, "--text", " ").exit_code == 2
    assert picmend("abuse", "show", "fnd_none").exit_code == 1


def test_a_rule_is_set_for_a_plan_and_what_cannot_be_is_refused_with_field_and_value(
    picmend: Command,
) -> None:
    written = told(
        picmend(
            *("abuse", "rules", "set", "burst", "--plan", "free", "--mode", "shadow", "--json"),
            *("--param", "window=PT5M", "--param", "at_least=9", "--fail", "closed"),
            *("--ladder", '[{"step": "review", "expires_after": "P1D"}]', "--severity", "high"),
        )
    )
    assert (written["version"], written["mode"], written["on_failure"]) == (2, "shadow", "closed")
    assert written["parameters"] == {"window": "PT5M", "at_least": 9, "times": 3.0}
    assert written["ladder"][0]["step"] == "review"

    for options, words in (
        (("--param", "window=PT90S"), "window = 'PT90S'"),
        (("--param", "at_least=-1"), "at_least = -1"),
        (("--param", "colour=red"), "colour = 'red'"),
        (("--ladder", '[{"step": "scold"}]'), "'scold'"),
        (("--ladder", '[{"step": "flag", "after": "PT1H"}]'), "at once"),
        (("--ladder", "[]"), "ladder: the whole = []"),
    ):
        refused = picmend("abuse", "rules", "set", "burst", "--plan", "free", *options)
        assert refused.exit_code == 1, options
        assert words in refused.output
    network = picmend("abuse", "rules", "set", "key_guessing", "--ladder", '[{"step": "review"}]')
    assert (network.exit_code, "a network can only be" in network.output) == (1, True)
    for wrong in (("burst", "--plan", "golden", "--mode", "off"), ("bursts", "--mode", "off")):
        assert picmend("abuse", "rules", "set", *wrong).exit_code == 1
    for wrong in (("burst",), ("burst", "--param", "x"), ("burst", "--ladder", "{")):
        assert picmend("abuse", "rules", "set", *wrong).exit_code == 2

    shown = told(picmend("abuse", "rules", "show", "burst", "--json"))
    assert [v["version"] for v in shown["versions"] if v["plan"] == "free"] == [2, 1]
    assert "PT5M" in picmend("abuse", "rules", "show", "burst").output
    everything = told(picmend("abuse", "rules", "list", "--json"))["rules"]
    assert len({each["rule"] for each in everything}) == 9
    assert "forbidden_content" in picmend("abuse", "rules", "list").output


def test_a_rule_overlooks_whom_it_is_told_to_until_that_is_ended(
    world: World, picmend: Command
) -> None:
    account = world.account()
    set_rule(world)
    assert picmend("abuse", "allow", RULE, account, "--reason", "a museum").exit_code == 0
    misuse(world, account)
    turn(world)
    assert found(world) == []
    shown = told(picmend("abuse", "rules", "show", RULE, "--json"))
    assert [each["subject"] for each in shown["allowed"]] == [account]

    assert picmend("abuse", "allow", RULE, account, "--end").exit_code == 0
    assert picmend("abuse", "allow", RULE, account, "--end").exit_code == 1
    misuse(world, account)
    turn(world)
    assert len(found(world)) == 1
    for wrong in ("192.0.2.0/25", "192.0.2.1/24", "2001:db8::/64", "???"):
        assert picmend("abuse", "allow", RULE, wrong).exit_code == 2
    assert picmend("abuse", "allow", RULE, "192.0.2.0/24").exit_code == 1
    assert picmend("abuse", "allow", RULE, account, "--until", "2020-01-01").exit_code == 1


@pytest.mark.parametrize("start", [3 * DAY, 30 * DAY])
def test_a_backtest_tells_what_is_found_now_what_was_found_then_and_what_is_both(
    world: World, picmend: Command, start: timedelta
) -> None:
    set_rule(world)
    began = world.clock.now() - start
    both, only_then = world.account(), world.account()
    memory = Memory()
    for account, often in ((both, 5), (only_then, 1)):
        world.clock.at = began
        for _ in range(often):
            count(world, account_of(account), content_refused=2, succeeded=1)
            turn(world, memory)
            world.clock.move(MINUTE)
    only_now = world.account()
    count(world, account_of(only_now), began, content_refused=7)
    since, end = began - HOUR, began + HOUR

    def run(*options: str) -> dict[str, str]:
        asked = ("abuse", "backtest", "--rule", RULE, "--from", since.isoformat())
        answer = told(picmend(*asked, "--to", end.isoformat(), *options, "--json"))
        return {each["subject"]: each["found"] for each in answer["compared"]}

    assert run("--param", "at_least=3") == {
        both: "now and then",
        only_then: "only then",
        only_now: "only now",
    }
    assert run("--param", "at_least=100") == {both: "only then", only_then: "only then"}
    assert run("--account", only_now) == {only_now: "only now"}
    assert run("--param", "at_least=100", "--plan", "free") == {
        both: "now and then",
        only_then: "now and then",
        only_now: "only now",
    }
    text = picmend(
        *("abuse", "backtest", "--rule", RULE, "--from", since.isoformat(), "--to", end.isoformat())
    )
    assert "2 now and then, 1 only now, 0 only then" in text.output
    assert len(found(world)) == 2


def test_a_backtest_that_is_called_wrongly_says_so(picmend: Command) -> None:
    times = ("--from", "2026-03-01", "--to", "2026-03-02")
    assert picmend("abuse", "backtest", "--rule", "bursts", *times).exit_code == 1
    wrong = picmend("abuse", "backtest", "--rule", "burst", "--param", "at_least=-1", *times)
    assert (wrong.exit_code, "at_least = -1" in wrong.output) == (1, True)
    for options in (
        ("--rule", "burst", "--from", "2026-03-02", "--to", "2026-03-02"),
        ("--rule", "burst", "--rule", RULE, "--param", "at_least=1", *times),
    ):
        assert picmend("abuse", "backtest", *options).exit_code == 2
