"""A job asked for by request: decided at once and bound to its key, or refused without a trace."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import psycopg
import pytest

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs import store
from domain.jobs.model import Job, StoredObject
from domain.pipeline.resolve import Candidate
from domain.pipeline.submit import IdempotencyConflictError, RefusedError, submit
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId, api_job_id
from schemas.states import JobState, Origin
from tests.integration.pipeline.pipeline_world import WEEK, World


def request(world: World, account: AccountId, key: str = "k", file: str = "upl_a") -> Candidate:
    return replace(
        world.candidate(account),
        job_id=api_job_id(account, key),
        origin=Origin.API,
        source=StoredObject(f"staged/{account}/{file}", "0e"),
    )


def submitted(
    world: World,
    candidate: Candidate,
    key: str = "k",
    body: bytes = b"1",
    conn: psycopg.Connection | None = None,
) -> Job:
    """Submit in a transaction of its own, which a refusal rolls back."""
    own = conn or world.conn
    with own.transaction():
        return submit(
            own,
            candidate,
            idempotency_key=key,
            request_sha256=body * 32,
            clock=world.clock,
            lifetime=WEEK,
        )


def test_a_request_becomes_a_queued_job_with_a_hold(world: World) -> None:
    account = world.account(funds=3)

    job = submitted(world, request(world, account))

    assert (job.state, job.origin, job.id) == (
        JobState.QUEUED,
        Origin.API,
        api_job_id(account, "k"),
    )
    assert billing.balance(world.conn, account) == Balance(2, 1, "CNY")


def test_the_same_request_again_is_answered_with_the_same_job_as_it_is_now(world: World) -> None:
    account = world.account(funds=3)
    first = submitted(world, request(world, account))
    world.bring(first.id, JobState.SUCCEEDED)

    again = submitted(world, request(world, account))

    assert (again.id, again.state) == (first.id, JobState.SUCCEEDED)
    assert len(world.usage()) == 1


def test_another_request_under_the_same_key_is_a_conflict_and_changes_nothing(
    world: World,
) -> None:
    account = world.account(funds=3)
    first = submitted(world, request(world, account))
    other = request(world, account, file="upl_b")

    with pytest.raises(IdempotencyConflictError, match="'k'"):
        submitted(world, other, body=b"2")
    with pytest.raises(IdempotencyConflictError):
        submitted(world, replace(other, source_bytes=0), body=b"2")

    assert world.job(first.id) == first
    assert billing.balance(world.conn, account) == Balance(2, 1, "CNY")


def test_two_accounts_may_use_one_key(world: World) -> None:
    one, two = world.account(), world.account()

    assert submitted(world, request(world, one)).id != submitted(world, request(world, two)).id


Spoil = Callable[[World, AccountId, Candidate], Candidate]


def unpaid(_world: World, _account: AccountId, candidate: Candidate) -> Candidate:
    return candidate


def suspended(world: World, account: AccountId, candidate: Candidate) -> Candidate:
    world.suspend(account)
    return candidate


def unknown_preset(_world: World, _account: AccountId, candidate: Candidate) -> Candidate:
    return replace(candidate, preset="none")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (unpaid, ErrorCode.INSUFFICIENT_BALANCE),
        (suspended, ErrorCode.ACCOUNT_SUSPENDED),
        (unknown_preset, ErrorCode.PRESET_UNKNOWN),
    ],
)
def test_a_refusal_leaves_nothing_and_the_key_may_be_used_again(
    world: World, spoil: Spoil, code: ErrorCode
) -> None:
    account = world.account(funds=0)
    good = request(world, account)

    with pytest.raises(RefusedError) as refused:
        submitted(world, spoil(world, account, good))

    assert refused.value.code is code
    assert refused.value.detail
    assert store.get(world.conn, good.job_id) is None
    assert store.recall(world.conn, account, "k") is None
    assert world.told() == []
    world.conn.commit()
    world.resume(account)
    billing.top_up(world.conn, account, 1, key="now", at=world.clock.now())
    world.conn.commit()
    assert submitted(world, good, body=b"2").state is JobState.QUEUED


def test_one_request_sent_by_several_at_once_is_one_job(world: World) -> None:
    account = world.account(funds=100)
    start = Barrier(6)

    def send(_: int) -> JobId:
        candidate = request(world, account)
        with world.connect() as conn:
            start.wait(timeout=30)
            return submitted(world, candidate, conn=conn).id

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(send, range(6)))) == 1
    assert billing.balance(world.conn, account) == Balance(99, 1, "CNY")


def test_of_different_requests_under_one_key_at_once_one_wins(world: World) -> None:
    account = world.account(funds=100)
    start = Barrier(6)

    def send(number: int) -> JobId | None:
        candidate = request(world, account, file=f"upl_{number}")
        with world.connect() as conn:
            start.wait(timeout=30)
            try:
                return submitted(world, candidate, body=bytes([number]), conn=conn).id
            except IdempotencyConflictError:
                return None

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(send, range(6)))
    assert sorted(answer is None for answer in answers) == [False] + [True] * 5
    assert billing.balance(world.conn, account) == Balance(99, 1, "CNY")


def test_a_second_request_waits_for_the_first_and_takes_its_place_when_that_is_undone(
    world: World,
) -> None:
    account = world.account(funds=100)
    with world.connect() as first, ThreadPoolExecutor(1) as threads:
        submit(
            first,
            request(world, account),
            idempotency_key="k",
            request_sha256=b"1" * 32,
            clock=world.clock,
            lifetime=WEEK,
        )

        def send() -> Job:
            with world.connect() as conn:
                return submitted(world, request(world, account, file="upl_b"), "k", b"2", conn)

        second = threads.submit(send)
        world.until_blocked()
        first.rollback()

        assert second.result(timeout=30).source.key.endswith("upl_b")
    assert billing.balance(world.conn, account) == Balance(99, 1, "CNY")


def test_requests_at_once_cannot_spend_more_than_there_is(world: World) -> None:
    account = world.account(funds=3)
    start = Barrier(8)

    def send(number: int) -> str:
        candidate = request(world, account, key=f"k{number}")
        with world.connect() as conn:
            start.wait(timeout=30)
            try:
                return submitted(world, candidate, f"k{number}", conn=conn).state
            except RefusedError as refused:
                return refused.code

    with ThreadPoolExecutor(8) as threads:
        answers = Counter(threads.map(send, range(8)))
    assert answers == {"queued": 3, "insufficient_balance": 5}
    assert billing.balance(world.conn, account) == Balance(0, 3, "CNY")
