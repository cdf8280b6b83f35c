"""Once the judge has suspended an account, nothing of it starts, whoever asks in that moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.accounts.store import lock_shared
from domain.admission.memory import Memory
from domain.pipeline.claim import claim_batch
from domain.pipeline.decide import Admitted, decide_batch
from domain.pipeline.judge import judge_once
from schemas.ids import AccountId, JobId
from schemas.states import JobState
from tests.integration.admission.judged_world import found, misuse, set_rule
from tests.integration.pipeline.pipeline_world import LEASE, WEEK, World

SUSPENDS = [{"step": "suspend_account"}]
OF_IDENTITY = [{"step": "suspend_operation", "operation": "identity"}]


@pytest.mark.parametrize("ladder", [SUSPENDS, OF_IDENTITY])
def test_a_claim_waits_for_the_judges_turn_and_starts_nothing(
    world: World, ladder: list[dict[str, str]]
) -> None:
    account = world.account()
    (job_id,) = world.admit(account)
    world.dispatch()
    set_rule(world, ladder)
    misuse(world, account)

    def claim() -> list[JobId]:
        with world.connect() as conn:
            claimed = claim_batch(conn, [(job_id, 1)], worker="w-1", lease=LEASE, clock=world.clock)
            return [job.id for job in claimed]

    with world.connect() as judging, ThreadPoolExecutor(1) as threads:
        judge_once(judging, Memory(), clock=world.clock)
        claiming = threads.submit(claim)
        world.until_blocked()
        judging.commit()
        assert claiming.result(timeout=30) == []
    assert world.job(job_id).state is JobState.DISPATCHED


def test_it_locks_accounts_in_the_order_of_their_ids_as_everybody_does(world: World) -> None:
    accounts = sorted(world.account() for _ in range(3))
    set_rule(world, SUSPENDS)
    for account in accounts:
        misuse(world, account)

    def judge() -> None:
        with world.connect() as conn:
            judge_once(conn, Memory(), clock=world.clock)

    with world.connect() as admitting, ThreadPoolExecutor(1) as threads:
        lock_shared(admitting, accounts[:1])
        judging = threads.submit(judge)
        world.until_blocked()
        # While it waits for the first it holds no other, so that nobody waits for it in a ring.
        admitting.execute("SET LOCAL lock_timeout = '1s'")
        assert len(lock_shared(admitting, accounts[1:])) == 2
        admitting.commit()
        judging.result(timeout=30)


def test_raced_by_claims_and_admissions_of_many_accounts_nothing_starts_behind_its_commit(
    world: World,
) -> None:
    accounts = [world.account() for _ in range(12)]
    jobs = {account: world.admit(account, 2) for account in accounts}
    world.dispatch()
    set_rule(world, SUSPENDS)
    for account in accounts:
        misuse(world, account)
    candidates = [world.candidate(account) for account in accounts for _ in range(3)]

    def judge() -> None:
        with world.connect() as conn:
            judge_once(conn, Memory(), clock=world.clock)

    def claim(account: AccountId) -> None:
        for job_id in jobs[account]:
            with world.connect() as conn:
                claim_batch(conn, [(job_id, 1)], worker="w-1", lease=LEASE, clock=world.clock)

    def decide(place: int) -> None:
        with world.connect() as conn:
            decide_batch(conn, candidates[place::3], clock=world.clock, lifetime=WEEK)

    with ThreadPoolExecutor(8) as threads:
        doing = [threads.submit(decide, place) for place in range(3)]
        doing += [threads.submit(claim, account) for account in accounts[:6]]
        doing += [threads.submit(judge)]
        doing += [threads.submit(claim, account) for account in accounts[6:]]
        for each in doing:
            each.result(timeout=60)

    assert {finding.account_id for finding in found(world)} == set(accounts)
    all_jobs = [job_id for of_account in jobs.values() for job_id in of_account]
    left = [(job_id, 1) for job_id in all_jobs if world.job(job_id).state is JobState.DISPATCHED]
    assert world.claim(*left) == []
    late = world.candidate(accounts[0])
    assert not isinstance(world.decide(late)[late.job_id], Admitted)
