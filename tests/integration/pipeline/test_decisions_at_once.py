"""The same candidates decided by several at the same moment."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg

from domain.billing import service as billing
from domain.billing.model import Balance
from domain.pipeline.decide import Decision, decide_batch
from domain.pipeline.resolve import Candidate
from schemas.ids import JobId
from tests.integration.pipeline.pipeline_world import WEEK, World

HANDS = 4


def decided_at_once(world: World, batches: list[list[Candidate]]) -> list[dict[JobId, Decision]]:
    """Decide each batch on a connection of its own; a deadlock is tried again, as streams do."""
    start = Barrier(len(batches))

    def decide(batch: list[Candidate]) -> dict[JobId, Decision]:
        with world.connect() as conn:
            start.wait(timeout=30)
            while True:
                try:
                    with conn.transaction():
                        return decide_batch(conn, batch, clock=world.clock, lifetime=WEEK)
                except psycopg.errors.DeadlockDetected:
                    continue

    with ThreadPoolExecutor(len(batches)) as threads:
        return list(threads.map(decide, batches))


def test_one_batch_decided_by_four_at_once_is_decided_by_one_of_them(world: World) -> None:
    rich, poor = world.account(), world.account(funds=20)
    batch = [world.candidate(rich if n % 2 else poor) for n in range(200)]

    answers = decided_at_once(world, [batch] * HANDS)

    kinds = Counter(
        (type(decision).__name__, job_id in {c.job_id for c in batch})
        for answer in answers
        for job_id, decision in answer.items()
    )
    assert kinds == {("Admitted", True): 120, ("Rejected", True): 80, ("Known", True): 600}
    assert billing.balance(world.conn, rich) == Balance(999_900, 100, "CNY")
    assert billing.balance(world.conn, poor) == Balance(0, 20, "CNY")
    assert len(world.told()) == 200


def test_overlapping_batches_in_any_order_decide_each_job_once(world: World) -> None:
    accounts = [world.account() for _ in range(5)]
    candidates = [world.candidate(accounts[n % 5]) for n in range(300)]
    chance = random.Random(7)
    batches = [chance.sample(candidates, 200) for _ in range(2)]

    answers = decided_at_once(world, batches)

    admitted = [
        job_id
        for answer in answers
        for job_id, decision in answer.items()
        if type(decision).__name__ == "Admitted"
    ]
    assert sorted(admitted) == sorted({c.job_id for batch in batches for c in batch})
    held = sum(billing.balance(world.conn, account).held for account in accounts)
    assert held == len(admitted)


def test_two_batches_of_a_poor_account_spend_its_money_once(world: World) -> None:
    account = world.account(funds=30)
    batches = [[world.candidate(account) for _ in range(20)] for _ in range(HANDS)]

    decided_at_once(world, batches)

    assert billing.balance(world.conn, account) == Balance(0, 30, "CNY")
    assert Counter(event.state for event in world.told()) == {"queued": 30, "rejected": 50}
