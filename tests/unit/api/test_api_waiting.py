import asyncio
import time
from collections.abc import Coroutine
from typing import TypeVar

import psycopg

from api.waiting import EndedJobs
from schemas.ids import JobId

A, B = JobId("job_" + "a" * 32), JobId("job_" + "b" * 32)
T = TypeVar("T")


class Jobs:
    """Jobs that end when they are told to, and a count of how often it was asked."""

    def __init__(self) -> None:
        self.ended: set[JobId] = set()
        self.asked: list[list[JobId]] = []
        self.failing = False

    def find(self, job_ids: list[JobId]) -> set[JobId]:
        self.asked.append(job_ids)
        if self.failing:
            raise psycopg.OperationalError("away")
        return self.ended & set(job_ids)


def run(coroutine: Coroutine[None, None, T]) -> T:
    return asyncio.run(coroutine)


async def asked(jobs: Jobs, times: int) -> None:
    deadline = time.monotonic() + 10
    while len(jobs.asked) < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


def test_whoever_waits_is_told_at_the_end_of_the_job_and_nobody_else() -> None:
    async def story() -> None:
        jobs = Jobs()
        line = EndedJobs(jobs.find, pause_s=0.001)
        first, other = (asyncio.create_task(line.wait(job, 10)) for job in (A, B))
        await asked(jobs, 2)
        assert not first.done()
        jobs.ended.add(A)
        assert await first
        assert not other.done()
        assert line.waiting == 1
        line.release()
        assert await other

    run(story())


def test_one_question_is_asked_for_all_who_wait() -> None:
    async def story() -> None:
        jobs = Jobs()
        line = EndedJobs(jobs.find, pause_s=0.001)
        waiting = [asyncio.create_task(line.wait(job, 10)) for job in (A, B, A, B, A)]
        await asked(jobs, 1)
        assert jobs.asked[0] == [A, B]
        jobs.ended |= {A, B}
        assert all(await asyncio.gather(*waiting))

    run(story())


def test_nothing_is_asked_when_nobody_waits() -> None:
    async def story() -> None:
        jobs = Jobs()
        line = EndedJobs(jobs.find, pause_s=0.001)
        assert await line.wait(A, 0.01)
        assert line.waiting == 0
        await asyncio.sleep(0.01)
        before = len(jobs.asked)
        await asyncio.sleep(0.02)
        assert len(jobs.asked) == before

    run(story())


def test_a_database_that_is_away_for_a_while_ends_no_wait() -> None:
    async def story() -> None:
        jobs = Jobs()
        jobs.failing = True
        line = EndedJobs(jobs.find, pause_s=0.001, pause_after_error_s=0.001)
        waiting = asyncio.create_task(line.wait(A, 10))
        await asked(jobs, 3)
        jobs.failing = False
        jobs.ended.add(A)
        assert await waiting

    run(story())


def test_one_too_many_and_one_after_the_end_do_not_wait() -> None:
    async def story() -> None:
        jobs = Jobs()
        line = EndedJobs(jobs.find, pause_s=0.001, most=1)
        first = asyncio.create_task(line.wait(A, 10))
        await asked(jobs, 1)
        assert not await line.wait(B, 10)
        line.release()
        assert await first
        assert not await line.wait(A, 10)

    run(story())
