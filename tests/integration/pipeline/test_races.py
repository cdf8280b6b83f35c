"""Suspension, cancellation and expiry against dispatch and claim, a thousand jobs of them.

In each round three threads set out together on the same two jobs: a dispatcher that then claims,
a second worker that claims what it is not given, and whoever stops the jobs. After all of it
what was stopped has not run, nobody was charged for it, and no hold is left.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import psycopg
import pytest

from domain.admission.restrictions import Step
from domain.billing import service as billing
from domain.billing.model import Balance
from domain.jobs.turns import EVEN
from domain.pipeline.cancel import cancel
from domain.pipeline.claim import claim_batch
from domain.pipeline.dispatch import dispatch
from domain.pipeline.sweep import sweep_expired, sweep_unclaimed
from schemas.ids import AccountId, JobId
from schemas.states import TERMINAL, Actor, JobState
from tests.integration.pipeline.pipeline_world import (
    IDENTITY,
    LEASE,
    SetClock,
    World,
    failure,
    success,
)

ROUNDS = 125
JOBS = 2
"""Of a round; with four ways to be stopped, a thousand jobs in all."""

FUNDS = 1_000_000
SUSPENSIONS = frozenset({"account suspended", "operation suspended"})
JITTER_S = 0.012


class Stop(StrEnum):
    """How the jobs of a round are stopped."""

    ACCOUNT_SUSPENDED = "account suspended"
    OPERATION_SUSPENDED = "operation suspended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass
class Races:
    """Rounds on one account's line, each thread with a connection of its own."""

    world: World
    account: AccountId
    stop: Stop
    chance: random.Random
    saw_running: frozenset[str] = frozenset()

    def round(
        self, jobs: list[JobId], connections: list[psycopg.Connection], threads: ThreadPoolExecutor
    ) -> set[JobId]:
        """Let the three loose on the jobs; return which were claimed, by whomever."""
        claimed: list[JobId] = []
        attempts = [(job, 1) for job in jobs]
        together = threading.Barrier(3)

        def dispatch_and_claim(conn: psycopg.Connection) -> None:
            dispatch(conn, IDENTITY, cap=JOBS, turns=EVEN, clock=self.world.clock)
            conn.commit()
            claim(conn, "w-1")

        def claim(conn: psycopg.Connection, worker: str) -> None:
            mine = claim_batch(conn, attempts, worker=worker, lease=LEASE, clock=self.world.clock)
            conn.commit()
            claimed.extend(job.id for job in mine)

        def claim_often(conn: psycopg.Connection) -> None:
            for _ in range(4):
                claim(conn, "w-2")

        def stopping(conn: psycopg.Connection) -> None:
            self.stop_jobs(conn, jobs)

        acts = [dispatch_and_claim, claim_often, stopping]
        pauses = [self.chance.random() * JITTER_S for _ in acts]

        def run(number: int) -> None:
            together.wait(20)
            time.sleep(pauses[number])  # who comes first is what these rounds are about
            acts[number](connections[number])

        for done in [threads.submit(run, number) for number in range(3)]:
            done.result(timeout=60)
        assert len(claimed) == len(set(claimed))
        return set(claimed)

    def stop_jobs(self, conn: psycopg.Connection, jobs: list[JobId]) -> None:
        match self.stop:
            case Stop.ACCOUNT_SUSPENDED:
                self.world.suspend(self.account, conn)
                self.saw_running = running(conn, jobs)
            case Stop.OPERATION_SUSPENDED:
                step = Step.SUSPEND_OPERATION
                self.world.restrain(self.account, step, operation=IDENTITY, conn=conn)
                self.saw_running = running(conn, jobs)
            case Stop.CANCELLED:
                for job in jobs:
                    cancel(conn, job, by=Actor.CLIENT, clock=self.world.clock)
                    conn.commit()
            case Stop.EXPIRED:
                sweep_expired(conn, clock=SetClock(self.world.clock.now() + timedelta(seconds=2)))
        conn.commit()

    def let_go(self) -> None:
        """Lift what was put in force."""
        if self.stop is Stop.ACCOUNT_SUSPENDED:
            self.world.resume(self.account)
        elif self.stop is Stop.OPERATION_SUSPENDED:
            self.world.lift(self.account)


def running(conn: psycopg.Connection, jobs: list[JobId]) -> frozenset[str]:
    rows = conn.execute(
        "SELECT id FROM jobs WHERE id = ANY(%s) AND state = 'running'", (jobs,)
    ).fetchall()
    return frozenset(job for (job,) in rows)


def expire_soon(world: World, jobs: list[JobId]) -> None:
    """Let jobs expire in a second, which for who expires them is over."""
    expires_at = world.clock.now() + timedelta(seconds=1)
    world.conn.execute("UPDATE jobs SET expires_at = %s WHERE id = ANY(%s)", (expires_at, jobs))
    world.conn.commit()


def finish(races: Races, jobs: list[JobId], claimed: set[JobId]) -> set[JobId]:
    """Let what runs end, and the rest be cancelled; return what is to be paid for."""
    world = races.world
    if races.stop is Stop.CANCELLED:
        # A worker that is asked to stop does, and its job is free.
        world.end(*(failure(job, 1, JobState.CANCELLED) for job in claimed))
        return set()
    world.end(*(success(job) for job in claimed))
    if races.stop in SUSPENSIONS:
        races.let_go()
        for job in set(jobs) - claimed:
            cancel(world.conn, job, by=Actor.CLIENT, clock=world.clock)
        world.conn.commit()
    return claimed


@pytest.mark.parametrize("stop", list(Stop))
def test_what_is_stopped_while_it_is_handed_out_does_not_run_after_and_costs_nothing(
    world: World, stop: Stop
) -> None:
    account = world.account(FUNDS)
    races = Races(world, account, stop, random.Random(stop))
    paid: set[JobId] = set()
    seen: Counter[int] = Counter()
    with ExitStack() as open_for, ThreadPoolExecutor(3) as threads:
        connections = [open_for.enter_context(world.connect()) for _ in range(3)]
        for _ in range(ROUNDS):
            jobs = world.admit(account, JOBS)
            if stop is Stop.EXPIRED:
                expire_soon(world, jobs)
            claimed = races.round(jobs, connections, threads)

            seen[len(claimed)] += 1
            assert running(world.conn, jobs) == claimed
            if stop in SUSPENSIONS:
                assert claimed == races.saw_running
                sweep_unclaimed(world.conn, clock=world.clock)
                assert set(world.states(*jobs)) <= {JobState.QUEUED, JobState.RUNNING}
            else:
                assert all(world.job(job).state in TERMINAL for job in jobs if job not in claimed)
            assert world.dispatch().dispatched == 0
            assert world.claim(*((job, 1) for job in jobs)) == []
            paid |= finish(races, jobs, claimed)

    # The race was one: each side came first often.
    assert seen[0] > ROUNDS // 20, seen
    assert seen[JOBS] > ROUNDS // 20, seen
    world.bill()
    assert world.open_holds() == frozenset()
    assert billing.balance(world.conn, account) == Balance(FUNDS - len(paid), 0, "CNY")
