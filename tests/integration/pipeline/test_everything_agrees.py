"""Each rule of the database's check, broken by hand, is found by its name and alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.billing.model import FindingCode as LedgerCode
from domain.pipeline.check import STALE_AFTER, FindingCode, check, remedy
from domain.pipeline.submit import submit_retry
from schemas.ids import JobId
from schemas.states import JobState
from tests.integration.pipeline.pipeline_world import LEASE, WEEK, World, failure, success

if TYPE_CHECKING:
    from infra.stack.isolation import Database

SECOND = timedelta(seconds=1)
RELAY = "DELETE FROM outbox"


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """Unlike the others' world, this one is left unsound."""
    with psycopg.connect(database.app_url) as conn:
        yield World(database.app_url, conn)


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    """The owner, who has switched billing's triggers off."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for table in ("ledger_accounts", "holds", "usage_events"):
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield conn


def found(world: World) -> list[tuple[str, str]]:
    findings = check(world.conn, now=world.clock.now())
    for finding in findings:
        assert remedy(finding)
    return [(finding.code, finding.subject) for finding in findings]


def lives(world: World) -> dict[JobState, JobId]:
    """Return one job in every state that the pipeline brings about, all of them charged."""
    account = world.account()
    jobs = {JobState.REJECTED: world.candidate("nobody").job_id}
    for state in JobState:
        if state not in (JobState.REVIEW, JobState.REJECTED):
            (jobs[state],) = world.admit(account)
            world.bring(jobs[state], state)
    rejected = world.candidate("nobody")
    world.decide(rejected)
    jobs[JobState.REJECTED] = rejected.job_id
    world.bill()
    world.conn.execute(RELAY)
    world.conn.commit()
    assert found(world) == []
    return jobs


BREAKS: dict[str, tuple[FindingCode, JobState, str]] = {
    "a version is missing": (
        FindingCode.TRANSITION_MISSING,
        JobState.SUCCEEDED,
        "DELETE FROM transitions WHERE job_id = %(job)s AND version = 2",
    ),
    "a move is not legal": (
        FindingCode.TRANSITION_ILLEGAL,
        JobState.SUCCEEDED,
        "UPDATE transitions SET by = 'sweeper' WHERE job_id = %(job)s AND version = 4",
    ),
    "a job is admitted by nobody who may": (
        FindingCode.TRANSITION_ILLEGAL,
        JobState.EXPIRED,
        "UPDATE transitions SET by = 'operator' WHERE job_id = %(job)s AND version = 1",
    ),
    "an attempt is counted twice": (
        FindingCode.ATTEMPT_ILLEGAL,
        JobState.FAILED,
        """
        WITH told AS (
            UPDATE transitions SET attempt = 2 WHERE job_id = %(job)s AND version > 1
            RETURNING job_id
        )
        UPDATE jobs SET attempt = 2 FROM told WHERE jobs.id = told.job_id
        """,
    ),
    "a state without its transition": (
        FindingCode.STATE_CONTRADICTS_HISTORY,
        JobState.RUNNING,
        "UPDATE jobs SET version = version + 1 WHERE id = %(job)s",
    ),
    "a job without any transition": (
        FindingCode.STATE_CONTRADICTS_HISTORY,
        JobState.REJECTED,
        "DELETE FROM transitions WHERE job_id = %(job)s",
    ),
    "a hold of another amount": (
        FindingCode.HOLD_CONTRADICTS_JOB,
        JobState.QUEUED,
        "UPDATE jobs SET amount = amount + 1 WHERE id = %(job)s",
    ),
    "a usage of another end": (
        FindingCode.USAGE_CONTRADICTS_JOB,
        JobState.FAILED,
        "UPDATE usage_events SET outcome = 'cancelled' WHERE job_id = %(job)s",
    ),
    "an id of another object": (
        FindingCode.ID_CONTRADICTS_SOURCE,
        JobState.CANCELLED,
        "UPDATE jobs SET source_etag = 'f00' WHERE id = %(job)s",
    ),
    "a lease that nobody ended": (
        FindingCode.LEASE_OVER,
        JobState.RUNNING,
        "UPDATE jobs SET lease_until = lease_until - interval '1 day' WHERE id = %(job)s",
    ),
    "a time that nobody ended": (
        FindingCode.EXPIRED_WAITING,
        JobState.QUEUED,
        "UPDATE jobs SET expires_at = admitted_at - interval '1 day' WHERE id = %(job)s",
    ),
}


@pytest.mark.parametrize(("code", "state", "statement"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_by_hand_is_found_and_nothing_else(
    world: World,
    owner: psycopg.Connection,
    code: FindingCode,
    state: JobState,
    statement: str,
) -> None:
    jobs = lives(world)
    assert owner.execute(statement, {"job": jobs[state]}).rowcount >= 1

    assert found(world) == [(code, jobs[state])]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs SET quota_day = NULL WHERE id = %(job)s",
        """
        UPDATE quota_months SET used = used || '{"28": {"identity": [7, 9]}}'
        WHERE account_id = (SELECT account_id FROM jobs WHERE id = %(job)s)
        """,
    ],
    ids=["a job without its share", "a share without its job"],
)
def test_quotas_that_count_other_jobs_than_have_their_shares_are_found(
    world: World, owner: psycopg.Connection, change: str
) -> None:
    job = lives(world)[JobState.SUCCEEDED]
    owner.execute(change, {"job": job})

    assert found(world) == [(FindingCode.SHARES_MISCOUNTED, world.job(job).account_id)]


def test_a_job_under_way_and_one_that_ended_without_a_hold_are_told_apart(
    world: World, owner: psycopg.Connection
) -> None:
    free = "UPDATE prices SET amount = 0 WHERE operation = 'identity'"
    owner.execute(free)
    jobs = lives(world)
    # Holds of 0 have no entries, so that the ledger has nothing to say of their loss.
    for state in (JobState.QUEUED, JobState.FAILED):
        owner.execute("DELETE FROM usage_events WHERE job_id = %s", (jobs[state],))
        owner.execute("DELETE FROM holds WHERE job_id = %s", (jobs[state],))

    assert found(world) == [
        (FindingCode.JOB_WITHOUT_HOLD, jobs[JobState.QUEUED]),
        (FindingCode.USAGE_MISSING, jobs[JobState.FAILED]),
    ]


def test_a_hold_of_a_job_that_was_never_queued_is_found(
    world: World, owner: psycopg.Connection
) -> None:
    jobs = lives(world)
    rejected, cancelled = jobs[JobState.REJECTED], jobs[JobState.CANCELLED]
    owner.execute(
        "INSERT INTO holds SELECT %s, account_id, unit, 0, NULL, 'open', NULL, admitted_at, NULL"
        " FROM holds WHERE job_id = %s",
        (rejected, cancelled),
    )

    assert found(world) == [(FindingCode.HOLD_OF_UNQUEUED, rejected)]


def test_an_open_hold_without_a_job_is_found(world: World, owner: psycopg.Connection) -> None:
    lives(world)
    nobody = world.candidate("nobody").job_id
    owner.execute(
        "INSERT INTO holds (job_id, account_id, unit, amount, admitted_at)"
        " VALUES (%s, 'acc_1', 'CNY', 0, now())",
        (nobody,),
    )

    assert found(world) == [(FindingCode.HOLD_WITHOUT_JOB, nobody)]


def test_a_usage_that_never_came_is_found_after_a_minute_as_its_hold(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.end(success(job_id))
    world.conn.execute(RELAY)
    world.conn.commit()
    world.clock.move(STALE_AFTER)
    assert found(world) == []

    world.clock.move(SECOND)
    assert found(world) == [(FindingCode.STALE_HOLD, job_id)]


def test_an_outbox_that_nobody_sends_is_found_after_a_minute(world: World) -> None:
    world.admit(world.account())
    world.clock.move(STALE_AFTER)
    assert found(world) == []

    world.clock.move(SECOND)
    assert found(world) == [(FindingCode.OUTBOX_OLD, "outbox")]


def test_leases_that_just_ended_are_left_to_the_sweeper(world: World) -> None:
    world.running(world.account())
    world.conn.execute(RELAY)
    world.conn.commit()
    world.clock.move(LEASE + STALE_AFTER)
    assert found(world) == []

    world.clock.move(SECOND)
    assert [code for code, _ in found(world)] == [FindingCode.LEASE_OVER]


def test_a_retry_that_links_to_another_job_is_found(
    world: World, owner: psycopg.Connection
) -> None:
    account = world.account()
    one, two = world.running(account, 2)
    world.end(failure(one), failure(two))
    world.bill()
    again = submit_retry(world.conn, world.job(one), clock=world.clock, lifetime=WEEK).id
    world.conn.commit()
    assert found(world) == []

    owner.execute("UPDATE jobs SET retry_of = %s WHERE id = %s", (two, again))

    assert found(world) == [(FindingCode.RETRY_CONTRADICTS_JOB, again)]


def test_what_the_ledger_finds_is_found_too(world: World, owner: psycopg.Connection) -> None:
    lives(world)
    owner.execute("UPDATE ledger_accounts SET balance = balance + 1 WHERE name = 'revenue'")

    assert [code for code, _ in found(world)] == [LedgerCode.BALANCE_DRIFT]


def test_nothing_is_found_wrong_of_jobs_that_move_meanwhile(world: World) -> None:
    """Jobs go through their whole lives, one after the other, while somebody looks."""
    account = world.account()

    def live(turns: int) -> None:
        for turn in range(turns):
            (job_id,) = world.running(account)
            world.end(success(job_id) if turn % 2 else failure(job_id))
            world.bill()

    with psycopg.connect(world.url) as looking, ThreadPoolExecutor(1) as threads:
        living = threads.submit(live, 40)
        looks = 0
        while not living.done():
            assert check(looking, now=world.clock.now()) == []
            looks += 1
        living.result()
    assert looks


def test_a_check_changes_nothing_and_holds_no_lock(world: World) -> None:
    lives(world)
    with psycopg.connect(world.url) as looking:
        assert check(looking, now=world.clock.now()) == []
        assert looking.info.transaction_status.name == "IDLE"
