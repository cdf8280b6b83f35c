"""`picmend quota`, `picmend account create` and `picmend jobs` where they speak of limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from domain.admission import overrides
from domain.admission.limits import Limit
from domain.admission.restrictions import Step
from domain.admission.windows import day_after, local_day
from schemas.decisions import Quota
from schemas.ids import AccountId
from schemas.states import JobState
from tests.integration.pipeline.pipeline_world import World

if TYPE_CHECKING:
    from typer.testing import Result

Command = Callable[..., "Result"]


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def limits_of(picmend: Command, account: str) -> dict[str, Any]:
    shown = told(picmend("quota", "show", account, "--json"))
    return {
        f"{each['operation']}:{each['quota']}" if each["operation"] else each["quota"]: each
        for each in shown["limits"]
    }


def allow(world: World, account: AccountId, limit: str) -> None:
    overrides.add(
        world.conn,
        account,
        Limit.parse(limit),
        starts_at=world.clock.now(),
        ends_at=None,
        reason="test",
        by="test",
        at=world.clock.now(),
    )
    world.conn.commit()


def test_plans_are_listed_with_their_weights_and_limits(picmend: Command) -> None:
    plans = {each["name"]: each for each in told(picmend("quota", "plans", "--json"))["plans"]}

    assert [*plans] == ["free", "standard", "enterprise"]
    assert plans["standard"]["weight"] == 4
    daily = {"quota": "jobs_per_day", "operation": None, "value": 50}
    assert daily in plans["free"]["limits"]
    assert "jobs_per_day" in picmend("quota", "plans").stdout


def test_a_plan_is_added_and_changed_as_data_and_the_rest_of_it_stays(picmend: Command) -> None:
    set_plan = ("quota", "plan", "set", "press", "--json")

    made = told(
        picmend(
            *set_plan,
            "--weight",
            "3",
            "--limit",
            "jobs_per_day=9",
            "--limit",
            "upscale:jobs_per_day=2",
        )
    )
    changed = told(picmend(*set_plan, "--limit", "jobs_per_day=unlimited"))

    assert (made["weight"], len(made["limits"])) == (3, 2)
    left = {"quota": "jobs_per_day", "operation": "upscale", "value": 2}
    assert changed == {"name": "press", "weight": 3, "limits": [left]}
    assert "upscale:jobs_per_day" in picmend("quota", "plan", "set", "press").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Press",), "begins with a letter"),
        (("press", "--weight", "0"), "--weight"),
        (("press", "--limit", "jobs_per_week=1"), "jobs_per_day"),
        (("press", "--limit", "paint:jobs_per_day=1"), "upscale"),
        (("press", "--limit", "jobs_per_day=-1"), "from 0 to"),
    ],
)
def test_a_plan_written_wrongly_is_not_kept(
    picmend: Command, arguments: tuple[str, ...], words: str
) -> None:
    refused = picmend("quota", "plan", "set", *arguments)

    assert refused.exit_code == 2
    assert words in refused.output
    assert len(told(picmend("quota", "plans", "--json"))["plans"]) == 3


def test_an_account_is_shown_where_its_limits_come_from_and_what_is_left(
    world: World, picmend: Command
) -> None:
    account = world.account()
    allow(world, account, "jobs_per_day=5")
    allow(world, account, "megapixels_per_day=unlimited")
    world.admit(account, 3)
    world.dispatch(cap=1)

    shown = told(picmend("quota", "show", account, "--json"))
    limits = limits_of(picmend, account)

    assert (shown["plan"], shown["time_zone"]) == ("standard", "Asia/Shanghai")
    daily = limits["jobs_per_day"]
    assert (daily["from"], daily["value"], daily["used"], daily["left"]) == ("override", 5, 3, 2)
    assert daily["override"] == shown["overrides"][0]["id"]
    today = local_day(world.clock.now(), "Asia/Shanghai")
    assert datetime.fromisoformat(daily["resets_at"]) == day_after(today, "Asia/Shanghai")
    monthly = limits["jobs_per_month"]
    assert (monthly["from"], monthly["used"], monthly["left"]) == ("plan", 3, 299_997)
    assert (limits["jobs_waiting"]["used"], limits["jobs_in_flight"]["used"]) == (2, 1)
    assert limits["megapixels_per_day"]["value"] is None
    assert limits["megapixels_per_day"]["used"] == 3
    assert limits["requests_per_second"]["used"] is None
    people = picmend("quota", "show", account).stdout
    assert "plan standard" in people
    assert "unlimited" in people


def test_an_override_is_given_shown_refused_when_contradictory_and_ended(
    world: World, picmend: Command
) -> None:
    account = world.account()
    give = ("quota", "override", account, "jobs_per_day=9", "--reason", "a fair")

    first = told(picmend(*give, "--end", "2099-01-01", "--by", "Ada", "--json"))
    assert (first["state"], first["by"], first["reason"]) == ("in force", "Ada", "a fair")
    # Local midnight in Shanghai.
    assert datetime.fromisoformat(first["ends_at"]) == datetime.fromisoformat("2098-12-31T16:00Z")

    again = picmend(*give, "--start", "2098-06-01T00:00Z")
    assert again.exit_code == 1
    assert f"jobs_per_day {first['id']} " in again.stderr

    later = told(picmend(*give, "--start", "2099-01-01", "--json"))
    assert later["state"] == "to come"
    for each, state in ((first, "over"), (later, "over")):
        ended = told(picmend("quota", "end-override", str(each["id"]), "--by", "Bob", "--json"))
        assert (ended["state"], ended["ended_by"]) == (state, "Bob")
    assert limits_of(picmend, account)["jobs_per_day"]["from"] == "plan"
    assert "a fair" in picmend("quota", "show", account).stdout
    assert told(picmend(*give, "--json"))["ends_at"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("jobs_per_week=9",), 2, "no quota"),
        (("jobs_per_day=9", "--start", "soon"), 2, "no time"),
        (("jobs_per_day=9", "--start", "2099-01-02", "--end", "2099-01-01"), 1, "behind its start"),
        (("jobs_per_day=9", "--end", "2001-01-01"), 1, "behind its start"),
        (("jobs_per_day=9", "--start", "2000-01-01", "--end", "2001-01-01"), 1, "over already"),
        (("jobs_per_day=9", "--reason", " "), 1, "reason has"),
        (("jobs_per_day=9", "--end", "9999-12-31T23:59-12:00"), 2, "no time"),
    ],
)
def test_an_override_written_wrongly_is_not_kept(
    world: World, picmend: Command, arguments: tuple[str, ...], code: int, words: str
) -> None:
    account = world.account()

    refused = picmend("quota", "override", account, "--reason", "x", *arguments)

    assert refused.exit_code == code, refused.output
    assert words in refused.output
    assert told(picmend("quota", "show", account, "--json"))["overrides"] == []


def test_what_is_not_there_is_named(world: World, picmend: Command) -> None:
    account = world.account()

    for arguments, words in (
        (("show", "acc_missing"), "acc_missing"),
        (("override", "acc_missing", "jobs_per_day=9", "--reason", "x"), "acc_missing"),
        (("assign", "acc_missing", "--plan", "free"), "acc_missing"),
        (("end-override", "4711"), "no override 4711"),
        (("assign", account, "--plan", "gold"), "there are free, standard, enterprise"),
        (("assign", account, "--time-zone", "Mars/Olympus"), "Asia/Shanghai or UTC"),
    ):
        refused = picmend("quota", *arguments)
        assert refused.exit_code == 1, refused.output
        assert words in refused.stderr
    assert picmend("quota", "assign", account).exit_code == 2


def test_an_account_goes_to_another_plan_and_another_time_zone(
    world: World, picmend: Command
) -> None:
    account = world.account()

    told(picmend("quota", "assign", account, "--plan", "free", "--json"))
    now = told(picmend("quota", "assign", account, "--time-zone", "America/Sao_Paulo", "--json"))

    assert now == {"account_id": account, "plan": "free", "time_zone": "America/Sao_Paulo"}
    assert limits_of(picmend, account)["jobs_per_day"]["value"] == 50
    assert "America/Sao_Paulo" in picmend("account", "show", account).stdout


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--plan", "gold", "there are free, standard, enterprise"),
        ("--time-zone", "Mars/Olympus", "Asia/Shanghai or UTC"),
    ],
)
def test_no_account_is_made_on_a_plan_or_in_a_zone_that_is_none(
    picmend: Command, option: str, value: str, words: str
) -> None:
    refused = picmend("account", "create", "--name", "A client", option, value)

    assert refused.exit_code == 1
    assert words in refused.stderr
    assert told(picmend("account", "list", "--json"))["accounts"] == []


def test_a_job_shows_the_limit_that_refused_it(world: World, picmend: Command) -> None:
    account = world.account()
    allow(world, account, "identity:jobs_per_day=1")
    world.admit(account)
    refused = world.candidate(account)
    world.decide(refused)

    (listed, _) = told(picmend("jobs", "list", "--account", account, "--json"))["jobs"]

    assert (listed["id"], listed["code"]) == (refused.job_id, "quota_exceeded")
    assert listed["limit"]["quota"] == Quota.JOBS_PER_DAY
    assert (listed["limit"]["used"], listed["limit"]["limit"]) == (1, 1)
    assert "jobs_per_day 1/1" in picmend("jobs", "list", "--account", account).stdout
    assert "1 of 1 used" in picmend("jobs", "show", refused.job_id).stdout


def test_jobs_in_review_are_let_through_or_rejected(world: World, picmend: Command) -> None:
    account = world.account(funds=1)
    world.restrain(account, Step.REVIEW)
    candidates = [world.candidate(account) for _ in range(3)]
    world.decide(*candidates)
    first, second, third = (each.job_id for each in candidates)
    assert world.states(first, second, third) == [JobState.REVIEW] * 3

    assert f"{first} is queued" in picmend("jobs", "approve", first).stdout
    unpaid = picmend("jobs", "approve", second, "job_missing", first)
    assert unpaid.exit_code == 1
    assert "insufficient_balance" in unpaid.stdout
    assert "no such job" in unpaid.stdout
    assert "not in review" in unpaid.stdout
    looked = told(picmend("jobs", "reject", third, "--reason", "not a photograph", "--json"))
    assert [job["detail"] for job in looked["jobs"]] == ["not a photograph"]
    assert world.states(first, second, third) == [
        JobState.QUEUED,
        JobState.REJECTED,
        JobState.REJECTED,
    ]
    assert limits_of(picmend, account)["jobs_per_day"]["used"] == 1
    assert picmend("jobs", "reject", first, "--reason", "").exit_code == 2
