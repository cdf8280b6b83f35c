"""From decision to ledger by functions alone, one at a time and by many hands at once."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import psycopg

from domain.billing import service as billing
from domain.billing.model import AlreadyRecorded, Balance
from domain.jobs.turns import EVEN
from domain.pipeline.cancel import JobEndedError, cancel
from domain.pipeline.claim import claim_batch
from domain.pipeline.dispatch import dispatch
from domain.pipeline.end import end_batch
from domain.pipeline.sweep import sweep_expired, sweep_leases
from schemas import topics
from schemas.ids import JobId
from schemas.states import TERMINAL, Actor, JobState
from tests.integration.pipeline.pipeline_world import IDENTITY, LEASE, World, failure, success


def test_a_job_goes_from_its_decision_to_the_ledger(world: World) -> None:
    account = world.account(funds=10)
    (job_id,) = world.running(account)
    assert billing.balance(world.conn, account) == Balance(9, 1, "CNY")
    world.end(success(job_id))
    assert world.open_holds() == {job_id}

    world.bill()

    assert billing.balance(world.conn, account) == Balance(9, 0, "CNY")
    assert world.open_holds() == frozenset()
    assert [(event.version, event.state, event.by) for event in world.told()] == [
        (1, "queued", "decide"),
        (2, "dispatched", "dispatcher"),
        (3, "running", "worker"),
        (4, "succeeded", "results"),
    ]


def test_the_messages_of_a_job_wait_in_the_order_in_which_it_moved(world: World) -> None:
    (job_id,) = world.running(world.account())
    world.clock.move(timedelta(seconds=16))
    sweep_leases(world.conn, clock=world.clock)
    world.conn.commit()
    world.dispatch()
    world.claim((job_id, 2))
    world.end(failure(job_id, 2))

    rows = world.conn.execute(
        "SELECT topic, convert_from(body, 'UTF8')::jsonb ->> 'id' FROM outbox ORDER BY id"
    ).fetchall()

    work = topics.work(IDENTITY)
    assert rows == [
        (topics.JOB_EVENTS, f"{job_id}.1"),
        (topics.JOB_EVENTS, f"{job_id}.2"),
        (work, f"{job_id}.1.dispatched"),
        (topics.JOB_EVENTS, f"{job_id}.3"),
        (topics.JOB_EVENTS, f"{job_id}.4"),
        (topics.JOB_EVENTS, f"{job_id}.5"),
        (work, f"{job_id}.2.dispatched"),
        (topics.JOB_EVENTS, f"{job_id}.6"),
        (topics.JOB_EVENTS, f"{job_id}.7"),
        (topics.USAGE, f"{job_id}.usage"),
    ]


class Hand:
    """One process's share of the work: turns of all kinds on the same jobs, in random order."""

    def __init__(self, world: World, job_ids: list[JobId], seed: int) -> None:
        self._world = world
        self._job_ids = job_ids
        self._chance = random.Random(seed)

    def work(self, turns: int) -> Counter[str]:
        """Take turns until they are spent; a deadlock is tried again, as streams do."""
        done: Counter[str] = Counter()
        with self._world.connect() as conn:
            for _ in range(turns):
                name = self._chance.choice(["dispatch", "claim", "end", "cancel", "sweep"])
                try:
                    with conn.transaction():
                        done[name] += self._turn(name, conn)
                except psycopg.errors.DeadlockDetected:
                    done["deadlock"] += 1
        return done

    def _turn(self, name: str, conn: psycopg.Connection) -> int:
        clock = self._world.clock
        some = self._chance.sample(self._job_ids, 12)
        match name:
            case "dispatch":
                return dispatch(conn, IDENTITY, cap=40, turns=EVEN, clock=clock).dispatched
            case "claim":
                attempts = [(job_id, self._chance.randint(1, 3)) for job_id in some]
                worker = f"w-{id(self)}"
                # Most leases are over the moment they are given.
                lease = self._chance.choice([LEASE, -LEASE, -LEASE])
                return len(claim_batch(conn, attempts, worker=worker, lease=lease, clock=clock))
            case "end":
                words = [success, failure]
                endings = [
                    self._chance.choice(words)(job_id, self._chance.randint(1, 3))
                    for job_id in some
                ]
                return len(end_batch(conn, endings, clock=clock))
            case "cancel":
                with suppress(JobEndedError):
                    return cancel(conn, some[0], by=Actor.CLIENT, clock=clock) is not None
                return 0
            case _:
                swept = sweep_leases(conn, clock=clock)
                return swept.requeued + swept.ended


def test_many_hands_at_once_end_each_job_once_and_lose_no_money(world: World) -> None:
    accounts = [world.account(funds=100) for _ in range(4)]
    job_ids = [job_id for account in accounts for job_id in world.admit(account, 30)]
    hands = [Hand(world, job_ids, seed) for seed in range(4)]

    with ThreadPoolExecutor(4) as threads:
        done = sum(threads.map(lambda hand: hand.work(80), hands), Counter[str]())

    assert min(done[name] for name in ("dispatch", "claim", "end", "cancel", "sweep")) > 0, done
    assert done["deadlock"] == 0
    world.assert_sound()
    world.clock.move(timedelta(days=8))
    sweep_leases(world.conn, clock=world.clock)
    sweep_expired(world.conn, clock=world.clock)
    world.conn.commit()
    assert set(world.states(*job_ids)) <= TERMINAL

    world.bill()

    assert set(map(type, world.bill())) == {AlreadyRecorded}
    assert world.open_holds() == frozenset()
    charged = world.states(*job_ids).count(JobState.SUCCEEDED)
    left = [billing.balance(world.conn, account) for account in accounts]
    assert sum(balance.available for balance in left) == 400 - charged
    assert sum(balance.held for balance in left) == 0
