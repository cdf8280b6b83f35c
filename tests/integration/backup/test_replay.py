"""A database that knows its accounts and nothing else, brought to where the topics have got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import psycopg
import pytest

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs import outbox
from domain.jobs.model import Ending
from infra.kafka import Message
from infra.postgres import open_pool
from infra.stack.isolation import own_database
from schemas import events, topics
from schemas.errors import ErrorCode
from schemas.events import HeaderFacts, JobRequested, StoredResult, WorkFinished
from schemas.states import Actor, JobState
from streams.replay import NotAsBeforeError, Replay, Replayed, Starts
from tests.integration.pipeline.pipeline_world import RESULT, WEEK, World, failure, success

if TYPE_CHECKING:
    from domain.jobs.model import Job
    from domain.pipeline.resolve import Candidate
    from infra.stack import Stack
    from infra.stack.isolation import Database
    from infra.topic_reader import Span, TopicReader
    from schemas.ids import AccountId, JobId

MINUTE = timedelta(minutes=1)
ALL = Starts({}, {}, {}, {})


@dataclass
class Topics:
    """Topics of one partition each, as far as a replay reads them."""

    messages: dict[str, list[bytes]] = field(default_factory=dict)

    def read(self, topic: str, span: Span) -> Iterator[Message]:
        first = (span.beyond or {}).get(0, 0)
        for offset, body in enumerate(self.messages.get(topic, [])):
            if offset >= first:
                yield Message(topic, b"", body, partition=0, offset=offset)

    def ends(self, topic: str) -> dict[int, int]:
        return {0: len(self.messages.get(topic, []))}

    def add(self, topic: str, body: bytes) -> None:
        self.messages.setdefault(topic, []).append(body)

    def relay(self, world: World) -> None:
        """Take over what waits in a world's outbox."""
        for row in outbox.head(world.conn, 10_000):
            self.add(row.message.topic, row.message.body)
        world.conn.commit()


def requested(candidate: Candidate) -> bytes:
    data = JobRequested(
        job_id=candidate.job_id,
        account_id=candidate.account_id,
        preset=candidate.preset or "",
        bucket=candidate.bucket,
        key=candidate.source.key,
        etag=candidate.source.etag,
        size=candidate.source_bytes,
        header=HeaderFacts(format="png", width=40, height=30),
        found_by="event",
        uploaded_at=candidate.requested_at,
    )
    return events.job_requested(data, at=candidate.requested_at).encode()


def finished(job: Job, world: World) -> bytes:
    result = StoredResult(
        key=RESULT.key, etag=RESULT.etag, size=9, media_type="image/png", width=40, height=30
    )
    data = WorkFinished(
        job_id=job.id,
        attempt=job.attempt,
        outcome="succeeded",
        result=result,
        worker="w",
        started_at=world.clock.now(),
        finished_at=world.clock.now(),
    )
    return events.work_finished(data).encode()


@pytest.fixture
def lost(database: Database) -> Iterator[World]:
    with psycopg.connect(database.app_url) as conn:
        yield World(database.app_url, conn)


@pytest.fixture
def found(stack: Stack, database_template: str) -> Iterator[World]:
    with (
        own_database(stack.settings(), database_template) as own,
        psycopg.connect(own.app_url) as conn,
    ):
        world = World(own.app_url, conn)
        yield world
        world.assert_sound()


def know(world: World, account: AccountId, funds: int) -> None:
    """Let a world know an account of another one."""
    world.conn.execute(
        "INSERT INTO accounts (id, name, kind, unit, created_at)"
        " VALUES (%s, 'Ada', 'company', 'CNY', now())",
        (account,),
    )
    world.conn.execute("SELECT billing_open_accounts(%s, 'CNY')", (account,))
    billing.top_up(world.conn, account, funds, key="first", at=world.clock.now())
    world.conn.commit()


def replay(world: World, kept: Topics, *, starts: Starts = ALL, force: bool = False) -> Replayed:
    with open_pool(world.url, size=2, name="test") as pool:
        return Replay(
            pool,
            cast("TopicReader", kept),
            world.clock,
            lifetime=WEEK,
            tell=lambda _: None,
            force=force,
        ).run(starts)


def ask(world: World, kept: Topics, account: AccountId, preset: str = "identity") -> JobId:
    """Let an upload be requested and decided, a minute after the last."""
    world.clock.move(MINUTE)
    candidate = world.candidate(account, preset)
    kept.add(topics.JOB_REQUESTS, requested(candidate))
    world.decide(candidate)
    return candidate.job_id


def test_each_job_comes_back_as_it_ended_and_again_changes_nothing(
    lost: World, found: World
) -> None:
    kept = Topics()
    account = lost.account(funds=10)
    done = ask(lost, kept, account)
    lost.bring(done, JobState.RUNNING)
    kept.add(topics.JOB_RESULTS, finished(lost.job(done), lost))
    lost.end(success(done))
    failed = ask(lost, kept, account)
    lost.bring(failed, JobState.RUNNING)
    lost.end(failure(failed))
    cancelled, expired = ask(lost, kept, account), ask(lost, kept, account)
    lost.end(Ending(cancelled, JobState.CANCELLED, Actor.CLIENT, code=ErrorCode.JOB_CANCELLED))
    lost.end(Ending(expired, JobState.EXPIRED, Actor.SWEEPER, code=ErrorCode.JOB_EXPIRED))
    rejected, waiting = ask(lost, kept, account, "no-such-preset"), ask(lost, kept, account)
    lost.bill()
    kept.relay(lost)
    know(found, account, 10)

    done_again = replay(found, kept)

    assert found.states(done, cancelled, expired) == lost.states(done, cancelled, expired)
    # What failed while it ran is run again, its hold open until then.
    assert found.states(failed, waiting) == [JobState.QUEUED, JobState.QUEUED]
    assert found.open_holds() == {failed, waiting}
    assert billing.balance(found.conn, account) == Balance(7, 2, "CNY")
    for job_id in (done, cancelled, expired, rejected):
        now, then = found.job(job_id), lost.job(job_id)
        assert (now.code, now.detail, now.admitted_at, now.ended_at, now.result) == (
            then.code,
            then.detail,
            then.admitted_at,
            then.ended_at,
            then.result,
        )
    assert (done_again.decided, done_again.succeeded, done_again.ended) == (6, 1, 2)
    assert (done_again.settled, done_again.again, done_again.usage_read) == (3, 1, {0: 4})

    twice = replay(found, kept)
    assert (twice.decided, twice.succeeded, twice.ended, twice.forgotten) == (0, 0, 0, [])
    assert billing.balance(found.conn, account) == Balance(7, 2, "CNY")


def test_a_charge_comes_back_without_its_job_when_no_topic_keeps_the_request(
    lost: World, found: World
) -> None:
    kept = Topics()
    account = lost.account(funds=10)
    charged, under_way = lost.running(account, 2)
    lost.end(success(charged))
    lost.bill()
    kept.relay(lost)
    know(found, account, 10)

    replayed = replay(found, kept)

    assert (replayed.money_only, replayed.forgotten) == ([charged], [under_way])
    assert billing.balance(found.conn, account) == Balance(9, 0, "CNY")
    assert replay(found, kept).money_only == [charged]
    assert billing.balance(found.conn, account) == Balance(9, 0, "CNY")


def test_what_was_told_before_the_backup_is_not_read(lost: World, found: World) -> None:
    kept = Topics()
    account = lost.account(funds=10)
    ask(lost, kept, account)
    kept.relay(lost)
    know(found, account, 10)
    replayed = replay(found, kept, starts=Starts({0: 1}, {0: 1}, {0: 1}, {0: 1}))
    assert replayed == Replayed(usage_read={0: 0})


@pytest.mark.parametrize("by_upload", [True, False])
def test_who_could_pay_then_and_cannot_now_stops_the_replay_unless_forced(
    lost: World, found: World, *, by_upload: bool
) -> None:
    kept = Topics()
    account = lost.account(funds=10)
    for _ in range(2):
        job_id = ask(lost, kept, account) if by_upload else lost.admit(account)[0]
        lost.bring(job_id, JobState.RUNNING)
        kept.add(topics.JOB_RESULTS, finished(lost.job(job_id), lost))
        lost.end(success(job_id))
    lost.bill()
    kept.relay(lost)
    know(found, account, 1)

    with pytest.raises(NotAsBeforeError, match=f"top-up {account} AMOUNT") as caught:
        replay(found, kept)
    assert caught.value.account_id == account
    forced = replay(found, kept, force=True)
    assert len(forced.refused) == 1
    assert len(forced.rejected) == int(by_upload)
    assert billing.balance(found.conn, account) == Balance(0, 0, "CNY")
