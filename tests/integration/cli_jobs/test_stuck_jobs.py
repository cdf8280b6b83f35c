"""`picmend jobs stuck` finds what does not move, and leaves alone what rightly waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from cli.inspection.uploads import Patience, still_without_job, without_job
from domain.pipeline.cancel import cancel
from domain.pipeline.stuck import Cause, Stuck, StuckCode, Thresholds, stuck
from infra.object_store import S3ObjectStore, from_settings
from infra.postgres import Alone, alone, held
from infra.settings import Settings
from schemas import keys
from schemas.ids import JobId, object_job_id
from schemas.operations import OperationName
from schemas.states import Actor
from tests.integration.pipeline.pipeline_world import LEASE, World, success
from tests.integration.streams.streams_world import until

if TYPE_CHECKING:
    from typer.testing import Result

    from infra.stack.isolation import Database

Command = Callable[..., "Result"]

SECOND = timedelta(seconds=1)
LIMITS = Thresholds()


def found(world: World, *, cap: int = 10) -> list[Stuck]:
    caps = dict.fromkeys(OperationName, cap)
    jobs = stuck(world.conn, caps=caps, now=world.clock.now(), limits=LIMITS)
    world.conn.commit()
    return jobs


def codes(world: World, *, cap: int = 10) -> list[tuple[StuckCode, JobId, Cause | None]]:
    return [(each.code, each.job_id, each.cause) for each in found(world, cap=cap)]


def relay(world: World) -> None:
    world.conn.execute("DELETE FROM outbox")
    world.conn.commit()


def test_a_job_in_line_is_stuck_when_a_place_is_free_for_as_long_as_allowed(world: World) -> None:
    (job_id,) = world.admit(world.account())
    relay(world)
    world.clock.move(LIMITS.queued)
    assert codes(world) == []

    world.clock.move(SECOND)
    (only,) = found(world)
    assert (only.code, only.job_id, only.cause) == (StuckCode.NOT_DISPATCHED, job_id, None)
    assert only.since == world.clock.now() - LIMITS.queued - SECOND


def test_a_job_in_line_is_not_stuck_while_all_places_are_taken_or_its_account_may_not_run(
    world: World,
) -> None:
    busy, barred = world.account(), world.account()
    world.admit(busy, 2)
    world.dispatch(cap=1)
    world.admit(barred)
    world.suspend(barred)
    relay(world)
    world.clock.move(LIMITS.queued + SECOND)

    assert [each.code for each in found(world, cap=1)] == [StuckCode.NOT_CLAIMED]


def test_an_unclaimed_job_is_explained_by_its_account_or_by_the_outbox(world: World) -> None:
    one, two = world.account(), world.account()
    (first,), (second,) = world.admit(one), world.admit(two)
    world.dispatch()
    world.suspend(one)
    world.clock.move(LIMITS.dispatched + SECOND)
    assert set(codes(world)) == {
        (StuckCode.NOT_CLAIMED, first, Cause.ACCOUNT_BARRED),
        (StuckCode.NOT_CLAIMED, second, Cause.RELAY_BEHIND),
    }

    relay(world)
    assert (StuckCode.NOT_CLAIMED, second, None) in codes(world)


def test_a_lease_that_nobody_renews_or_takes_away_is_stuck(world: World) -> None:
    (job_id,) = world.running(world.account())
    relay(world)
    world.clock.move(LEASE + LIMITS.lease_over)
    assert codes(world) == []

    world.clock.move(SECOND)
    assert codes(world) == [(StuckCode.LEASE_NOT_RENEWED, job_id, None)]


def test_a_job_that_ended_and_was_not_charged_is_stuck(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.end(success(job_id))
    world.clock.move(LIMITS.ended + SECOND)
    assert codes(world) == [(StuckCode.HOLD_NOT_CLOSED, job_id, Cause.RELAY_BEHIND)]

    world.bill()
    assert codes(world) == []


def test_a_job_in_review_for_a_day_is_stuck(world: World, owner: psycopg.Connection) -> None:
    (job_id,) = world.admit(world.account())
    owner.execute("UPDATE jobs SET state = 'review' WHERE id = %s", (job_id,))
    relay(world)
    world.clock.move(LIMITS.review)
    assert codes(world) == []

    world.clock.move(SECOND)
    assert codes(world) == [(StuckCode.NOT_REVIEWED, job_id, Cause.NOBODY_DECIDED)]


def test_a_cancellation_is_stuck_only_while_the_job_still_runs(
    world: World, picmend: Command
) -> None:
    (job_id,) = world.running(world.account())
    cancel(world.conn, job_id, by=Actor.CLIENT, clock=world.clock)
    world.conn.commit()
    relay(world)

    told = picmend("jobs", "stuck", "--cancel-s", "0", "--json")

    assert told.exit_code == 1
    (only,) = json.loads(told.stdout)["stuck"]
    assert (only["code"], only["subject"]) == ("cancel_not_heeded", job_id)


def test_the_command_says_why_and_what_to_do_and_fails(world: World, picmend: Command) -> None:
    (job_id,) = world.admit(world.account())
    relay(world)

    told = picmend("jobs", "stuck", "--queued-s", "0", "--json")
    shown = picmend("jobs", "stuck", "--queued-s", "0")

    assert (told.exit_code, shown.exit_code) == (1, 1)
    (only,) = json.loads(told.stdout)["stuck"]
    # No process dispatches on this test's database.
    assert (only["subject"], only["cause"]) == (job_id, "no_dispatcher")
    assert "start a `streams` process" in only["remedy"]
    assert "no_dispatcher" in shown.stdout
    assert job_id in shown.stdout
    assert picmend("jobs", "stuck").exit_code == 0


def test_locks_are_seen_while_they_are_held(database: Database) -> None:
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        assert held(conn) == set()
        with alone(database.app_url, Alone.SWEEPER):
            assert held(conn) == {Alone.SWEEPER}


@pytest.fixture
def store(settings: Settings) -> S3ObjectStore:
    return from_settings(settings)


def put(store: S3ObjectStore, world: World, *names: str) -> list[str]:
    """Upload files of no bytes for a new account; return their keys."""
    account = world.account()
    made = [keys.input_key(account, *name.split("/")) for name in names]
    for key in made:
        store.put(key, key.encode(), "image/png")
    return made


def lost(store: S3ObjectStore, world: World, *, mask_h: float = 24) -> list[str]:
    now = datetime.now(UTC) + timedelta(minutes=1)
    patience = Patience(timedelta(seconds=5), timedelta(hours=mask_h))
    suspects = list(
        without_job(store, lambda: psycopg.connect(world.url), now=now, patience=patience,
                    on_page=lambda _: None)
    )  # fmt: skip
    with psycopg.connect(world.url) as conn:
        still = still_without_job(store, conn, suspects, now=now, mask=patience.mask)
    assert [each.job_id for each in still] == [each.job_id for each in suspects]
    return [each.key for each in still]


def test_an_upload_without_a_job_is_found_and_one_with_a_job_is_not(
    world: World, store: S3ObjectStore
) -> None:
    with_job, without = put(store, world, "identity/a.png", "identity/b.png")
    account = without.split("/")[1]
    candidate = world.candidate(account)
    etag = store.head(with_job).etag
    job_id = object_job_id(store.bucket, with_job, etag)
    world.decide(replace(candidate, job_id=job_id))

    assert lost(store, world) == [without]


def test_halves_of_a_masked_pair_wait_for_each_other_and_are_one_job_together(
    world: World, store: S3ObjectStore
) -> None:
    lone, paired, mask, orphan = put(
        store, world, "inpaint/a.png", "inpaint/b.png", "inpaint/b.png.mask.png",
        "inpaint/c.png.mask.png",
    )  # fmt: skip
    assert lost(store, world) == [paired, mask]
    assert lost(store, world, mask_h=0) == [lone, paired, mask]
    assert orphan


def test_uploads_without_a_job_are_told_by_the_command_when_asked_to_list(
    world: World, store: S3ObjectStore, picmend: Command
) -> None:
    (key,) = put(store, world, "identity/a.png")

    assert picmend("jobs", "stuck").exit_code == 0

    def told() -> list[str]:
        listed = picmend("jobs", "stuck", "--store", "--upload-s", "0.1", "--json")
        return [each["subject"] for each in json.loads(listed.stdout)["stuck"]]

    # Until the file is old enough, which the store tells in whole seconds.
    until(lambda: told() == [key])
