"""The judge as a task: its turns, whom it remembers, and what it deletes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import REGISTRY

from domain.admission import facts_store
from domain.admission.facts import KEPT, Facts, Source, Subject, SubjectKind, bucket_of
from schemas.errors import ErrorCode
from schemas.states import JobState
from streams.admission import Admission
from streams.judge import Judge
from tests.integration.streams.streams_world import LIFETIME, World


@pytest.fixture
def conn(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.database.app_url, autocommit=True) as connection:
        yield connection


def count(world: World, account: str, at: datetime, **facts: int) -> None:
    with world.pool.connection() as conn:
        subject = Subject(SubjectKind.ACCOUNT, account)
        facts_store.add(conn, Source.RESULTS, {(subject, bucket_of(at)): Facts(**facts)})


def counted() -> float:
    labels = {"rule": "forbidden_content", "mode": "enforced"}
    return REGISTRY.get_sample_value("picmend_findings_total", labels) or 0.0


def findings(world: World) -> list[tuple[str, int]]:
    with world.pool.connection() as conn:
        return conn.execute("SELECT rule, times FROM abuse_findings ORDER BY rule").fetchall()


def test_its_first_turn_writes_the_rules_and_each_turn_judges_what_is_new(
    world: World, conn: psycopg.Connection
) -> None:
    account, judge = world.account(), Judge(world.clock)
    before = counted()
    assert judge.step(conn) is False
    assert world.count("abuse_rules") > 0

    count(world, account, world.clock.now(), content_refused=500)
    judge.step(conn)
    judge.step(conn)
    assert findings(world) == [("forbidden_content", 1)]
    assert counted() - before == 1


def test_what_another_judge_saw_meanwhile_is_not_missed(
    world: World, conn: psycopg.Connection
) -> None:
    account, judge, other = world.account(), Judge(world.clock), Judge(world.clock)
    count(world, account, world.clock.now(), content_refused=8)
    judge.step(conn)
    with psycopg.connect(world.database.app_url, autocommit=True) as elsewhere:
        count(world, account, world.clock.now(), content_refused=7)
        other.step(elsewhere)
    assert findings(world) == []
    with psycopg.connect(world.database.app_url, autocommit=True) as anew:
        count(world, account, world.clock.now() - timedelta(minutes=1), content_refused=5)
        judge.step(anew)
    assert findings(world) == [("forbidden_content", 1)]


def test_facts_and_sightings_are_kept_for_ninety_days(
    world: World, conn: psycopg.Connection
) -> None:
    account, judge = world.account(), Judge(world.clock)
    for age in (timedelta(), KEPT - timedelta(hours=1), KEPT + timedelta(hours=2)):
        at = world.clock.now() - age
        count(world, account, at, jobs=1)
        conn.execute(
            "INSERT INTO sightings (key_id, account_id, network, hour, requests, first_at, last_at)"
            " VALUES ('k', %s, '192.0.2.0/24', date_trunc('hour', %s, 'UTC'), 1, %s, %s)",
            (account, at, at, at),
        )
    while judge.step(conn):
        pass
    assert (world.count("facts"), world.count("sightings")) == (2, 2)

    world.clock.turn(hours=4)
    while judge.step(conn):
        pass
    assert (world.count("facts"), world.count("sightings")) == (1, 1)


@pytest.mark.parametrize("found_by", ["event", "reconciler"])
@pytest.mark.parametrize(
    "dated", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=str
)
def test_an_upload_that_its_store_dates_absurdly_is_decided_and_judged_as_any_other(
    world: World, conn: psycopg.Connection, dated: datetime, found_by: str
) -> None:
    account = world.account()
    asked = world.request(account, "photo").model_copy(
        update={"uploaded_at": dated, "found_by": found_by}
    )

    Admission(world.pool, world.clock, LIFETIME).step([asked])
    Judge(world.clock).step(conn)

    job = world.job(asked.job_id)
    if found_by == "reconciler":
        assert job.state is JobState.QUEUED
        assert job.quota_day is not None
    else:
        assert (job.state, job.code) == (JobState.REJECTED, ErrorCode.CLOCK_SKEW)
    assert world.count("facts_touched") == 0
