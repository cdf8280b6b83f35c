"""A job and its hold that disagree are found by name."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner

from domain.billing import service as billing
from domain.billing.model import NewHold
from domain.pipeline.check import STALE_AFTER, Finding, FindingCode, holds_agree, stale_holds
from schemas.states import JobState
from streams.billing import usage_of
from tests.integration.pipeline.pipeline_world import (
    World,
    failure,
    success,
)

if TYPE_CHECKING:
    from infra.stack import Stack
    from infra.stack.isolation import Database

SECOND = timedelta(seconds=1)


def found(world: World) -> list[tuple[str, str]]:
    findings = holds_agree(world.conn, now=world.clock.now())
    world.conn.commit()
    return [(finding.code, finding.subject) for finding in findings]


def test_jobs_in_every_state_agree_with_their_holds_while_all_goes_well(world: World) -> None:
    account = world.account()
    for state in JobState:
        if state not in (JobState.REVIEW, JobState.REJECTED):
            (job_id,) = world.admit(account)
            world.bring(job_id, state)
    world.decide(world.candidate("nobody"))
    assert found(world) == []
    world.bill()
    world.clock.move(timedelta(days=1))

    assert found(world) == []


def test_a_hold_that_stays_open_behind_its_jobs_end_is_found_after_a_minute(
    world: World,
) -> None:
    one, two, _ = world.running(world.account(), 3)
    world.end(success(one), failure(two))
    world.clock.move(STALE_AFTER)
    assert found(world) == []

    world.clock.move(SECOND)
    assert found(world) == [(FindingCode.STALE_HOLD, job_id) for job_id in sorted([one, two])]
    (finding,) = (
        each for each in stale_holds(world.conn, now=world.clock.now()) if each.subject == one
    )
    assert finding == Finding(
        FindingCode.STALE_HOLD,
        one,
        "succeeded at 2026-03-01T12:00:00+00:00, and its hold is still open",
    )

    world.bill()
    assert found(world) == []


def test_a_job_under_way_whose_hold_is_closed_is_found_at_once(world: World) -> None:
    account = world.account()
    ended, running = world.running(account, 2)
    (queued,) = world.admit(account)
    world.end(success(ended))
    world.bill()
    forged = [
        replace(usage_of(world.usage()[0]), job_id=job_id, account_id=world.job(job_id).account_id)
        for job_id in (queued, running)
    ]
    # Rolled back after: what is found here must never be.
    billing.record_usage(world.conn, forged, at=world.clock.now())

    assert {
        (finding.code, finding.subject)
        for finding in holds_agree(world.conn, now=world.clock.now())
    } == {(FindingCode.JOB_WITHOUT_HOLD, queued), (FindingCode.JOB_WITHOUT_HOLD, running)}
    world.conn.rollback()


def test_an_open_hold_of_no_job_is_found(world: World) -> None:
    account = world.account()
    nobody = world.candidate(account).job_id
    billing.post_holds(world.conn, [NewHold(nobody, account, 1, "CNY", world.clock.now())])

    (finding,) = holds_agree(world.conn, now=world.clock.now())

    assert (finding.code, finding.subject) == (FindingCode.HOLD_WITHOUT_JOB, nobody)
    world.conn.rollback()


def test_jobs_that_end_and_are_charged_meanwhile_are_not_taken_for_lost(world: World) -> None:
    """Jobs go through their whole lives, one after the other, while somebody looks."""
    account = world.account()

    def live(turns: int) -> None:
        for _ in range(turns):
            (job_id,) = world.running(account)
            world.end(success(job_id))
            world.bill()

    with psycopg.connect(world.url) as looking, ThreadPoolExecutor(1) as threads:
        living = threads.submit(live, 40)
        looks = 0
        while not living.done():
            assert holds_agree(looking, now=world.clock.now()) == []
            looking.commit()
            looks += 1
        living.result()
    assert looks


@pytest.fixture
def ledger_check(stack: Stack, database: Database) -> tuple[CliRunner, dict[str, str]]:
    environment = {**stack.environment, "PICMEND_DATABASE_URL": database.app_url, "COLUMNS": "160"}
    return CliRunner(), environment


def test_the_ledgers_check_names_the_jobs_whose_hold_is_stale(
    world: World, ledger_check: tuple[CliRunner, dict[str, str]]
) -> None:
    # Imported here: settings of the stack come with Kafka's client, which warns when imported.
    from cli.ledger import app  # noqa: PLC0415

    runner, environment = ledger_check
    (job_id,) = world.running(world.account())
    world.end(success(job_id))

    checked = runner.invoke(app, ["check", "--json"], env=environment)
    shown = runner.invoke(app, ["check"], env=environment)

    assert checked.exit_code == 1
    (finding,) = json.loads(checked.stdout)["findings"]
    assert (finding["code"], finding["subject"]) == ("stale_hold", job_id)
    assert "stale_hold" in shown.stdout
    world.bill()
    assert runner.invoke(app, ["check"], env=environment).exit_code == 0
