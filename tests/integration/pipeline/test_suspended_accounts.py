"""Once a suspension has committed, nothing of the account starts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.accounts import service as accounts
from domain.accounts.model import AccountState, AccountUnknownError
from domain.pipeline.claim import claim_batch
from domain.pipeline.decide import Admitted, Rejected, decide_batch
from domain.pipeline.sweep import sweep_unclaimed
from schemas.errors import ErrorCode
from schemas.ids import AccountId, JobId
from schemas.states import JobState
from tests.integration.pipeline.pipeline_world import LEASE, WEEK, World


def test_a_claim_waits_for_a_suspension_under_way_and_then_starts_nothing(world: World) -> None:
    account = world.account()
    (job_id,) = world.admit(account)
    world.dispatch()

    def claim() -> list[JobId]:
        with world.connect() as conn:
            claimed = claim_batch(conn, [(job_id, 1)], worker="w-1", lease=LEASE, clock=world.clock)
            return [job.id for job in claimed]

    with world.connect() as suspending, ThreadPoolExecutor(1) as threads:
        world.suspend(account, suspending)
        claiming = threads.submit(claim)
        world.until_blocked()
        suspending.commit()

        assert claiming.result(timeout=30) == []
    assert world.job(job_id).state is JobState.DISPATCHED


def test_a_suspension_waits_for_a_claim_under_way_which_then_counts(world: World) -> None:
    account = world.account()
    first, second = world.admit(account, 2)
    world.dispatch()

    def suspend() -> None:
        with world.connect() as conn:
            world.suspend(account, conn)

    with world.connect() as claiming, ThreadPoolExecutor(1) as threads:
        claim_batch(claiming, [(first, 1)], worker="w-1", lease=LEASE, clock=world.clock)
        suspending = threads.submit(suspend)
        world.until_blocked()
        assert not suspending.done()
        claiming.commit()
        suspending.result(timeout=30)

    assert world.claim((second, 1)) == []
    assert world.states(first, second) == ["running", "dispatched"]


@pytest.mark.parametrize("commits", [True, False])
def test_a_decision_waits_for_a_suspension_under_way_and_follows_it(
    world: World, *, commits: bool
) -> None:
    account = world.account()
    candidate = world.candidate(account)

    def decide() -> object:
        with world.connect() as conn:
            decisions = decide_batch(conn, [candidate], clock=world.clock, lifetime=WEEK)
            return decisions[candidate.job_id]

    with world.connect() as suspending, ThreadPoolExecutor(1) as threads:
        world.suspend(account, suspending)
        deciding = threads.submit(decide)
        world.until_blocked()
        if commits:
            suspending.commit()
        else:
            suspending.rollback()
        decision = deciding.result(timeout=30)

    assert isinstance(decision, Rejected if commits else Admitted)
    if isinstance(decision, Rejected):
        assert decision.code is ErrorCode.ACCOUNT_SUSPENDED


def test_suspending_and_resuming_twice_changes_nothing_and_what_waited_goes_on(
    world: World,
) -> None:
    account = world.account()
    (job_id,) = world.admit(account)
    world.suspend(account)
    world.suspend(account)
    assert world.dispatch().dispatched == 0
    world.resume(account)
    world.resume(account)

    assert world.dispatch().dispatched == 1
    assert world.claim((job_id, 1)) == [job_id]
    rows = world.conn.execute(
        "SELECT reason, by, at, lifted_by, lifted_at FROM suspensions"
    ).fetchall()
    assert rows == [("test", "ops", world.clock.now(), "ops", world.clock.now())]


def test_an_account_that_is_not_there_can_be_neither_suspended_nor_resumed(world: World) -> None:
    for change in (world.suspend, world.resume):
        with pytest.raises(AccountUnknownError, match="acc_none"):
            change(AccountId("acc_none"))


def test_a_suspended_accounts_key_still_says_whose_it_is_until_it_is_revoked(
    world: World,
) -> None:
    account = world.account()
    key = accounts.add_api_key(world.conn, account, at=world.clock.now())
    world.suspend(account)

    found = accounts.authenticate(world.conn, str(key))
    assert found is not None
    assert (found.id, found.state) == (account, AccountState.SUSPENDED)
    for wrong in (str(key)[:-1], str(key)[:-1] + "_", f"pm_live_{key.id}_{'0' * 64}", ""):
        assert accounts.authenticate(world.conn, wrong) is None


def test_dispatched_jobs_of_a_suspended_account_give_their_places_to_others(world: World) -> None:
    suspended, other = world.account(), world.account()
    held_up = world.admit(suspended, 2)
    assert world.dispatch(cap=2).dispatched == 2
    world.suspend(suspended)
    waiting = world.admit(other, 2)
    assert world.dispatch(cap=2).dispatched == 0

    assert sweep_unclaimed(world.conn, clock=world.clock).requeued == 2

    assert world.dispatch(cap=2).dispatched == 2
    assert world.states(*held_up) == [JobState.QUEUED] * 2
    assert world.states(*waiting) == [JobState.DISPATCHED] * 2
    assert world.claim((held_up[0], 1)) == []
