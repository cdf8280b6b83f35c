"""Misuse that is found from the jobs themselves: from admission and results to the finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg

from domain.jobs.model import StoredObject
from domain.pipeline.resolve import Candidate, SourceProblem
from schemas.errors import ErrorCode
from schemas.ids import AccountId, object_job_id
from schemas.states import JobState
from streams.judge import Judge
from tests.integration.pipeline.pipeline_world import World, failure

MINUTE = timedelta(minutes=1)


def of_plan(world: World, plan: str) -> AccountId:
    account_id = world.account()
    world.conn.execute("UPDATE accounts SET plan = %s WHERE id = %s", (plan, account_id))
    world.conn.commit()
    return account_id


def upload(world: World, account_id: AccountId, etag: str, preset: str = "identity") -> Candidate:
    """An upload under a key of its own."""
    candidate = world.candidate(account_id, preset)
    key = candidate.source.key
    return replace(
        candidate,
        job_id=object_job_id(candidate.bucket, key, etag),
        source=StoredObject(key, etag),
    )


def findings(world: World) -> list[tuple[str, str, str, dict[str, object]]]:
    """Judge all that has changed; return every finding: rule, subject, step, evidence."""
    with psycopg.connect(world.url, autocommit=True) as conn:
        judge = Judge(world.clock)
        while judge.step(conn):
            pass
        return conn.execute(
            "SELECT rule, subject, step, evidence FROM abuse_findings ORDER BY rule, subject"
        ).fetchall()


def test_one_picture_sent_again_and_again_is_found(world: World) -> None:
    account_id = of_plan(world, "free")
    world.decide(*(upload(world, account_id, "5a") for _ in range(130)))

    ((rule, subject, step, evidence),) = findings(world)
    assert (rule, subject, step) == ("repeated_pictures", account_id, "flag")
    assert evidence["jobs"] == 130
    assert evidence["repeated"] == 129


def test_three_presets_of_each_picture_are_not(world: World) -> None:
    account_id = of_plan(world, "free")
    world.decide(
        *(
            upload(world, account_id, f"e{number}", preset)
            for number in range(70)
            for preset in ("identity", "upscale-fast-x4", "upscale-anime-x4")
        )
    )

    assert findings(world) == []


def test_broken_files_that_go_on_coming_are_found(world: World) -> None:
    account_id = of_plan(world, "free")
    broken = SourceProblem(ErrorCode.TRUNCATED_IMAGE, "cut off")
    for minute in range(10):
        assert findings(world) == []
        world.decide(
            *(
                replace(upload(world, account_id, f"{minute}-{number}"), facts=broken)
                for number in range(7)
            )
        )
        world.clock.move(MINUTE)

    ((rule, subject, _, evidence),) = findings(world)
    assert (rule, subject) == ("broken_files", account_id)
    assert evidence["broken"] == 70


def test_pictures_that_are_refused_for_what_is_on_them_are_found(world: World) -> None:
    account_id = world.account()
    failed, last, *refused = world.running(account_id, 21)
    world.end(failure(failed))
    world.end(*(failure(job_id, to=JobState.REFUSED) for job_id in refused))
    assert findings(world) == []

    world.end(failure(last, to=JobState.REFUSED))
    ((rule, subject, _, evidence),) = findings(world)
    assert (rule, subject) == ("forbidden_content", account_id)
    assert (evidence["refused"], evidence["looked_at"]) == (20, 20)
