"""A worker killed while its network runs leaves nothing half-written, and its job is done once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

from domain.jobs.model import result_key
from domain.pipeline.sweep import sweep_leases
from schemas.states import JobState
from streams.results import ending_of
from tests.integration.worker.worker_world import png

if TYPE_CHECKING:
    from infra.settings import Settings
    from infra.stack import Stack
    from schemas.ids import AccountId, JobId
    from tests.integration.worker.worker_world import WorkerWorld

PRESET = "upscale-photo-x4"
SIDE = 160
"""One tile, of 2 s of CPU or more."""

IN_THE_TILE_S = 0.5
"""Of CPU from the claim on: many times what the worker needs until the network runs."""


@pytest.fixture
def process(stack: Stack, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, on this test's database and bucket."""
    env = {
        **os.environ,
        **stack.environment,
        "PICMEND_DATABASE_URL": settings.database_url.get_secret_value(),
        "PICMEND_BUCKET": settings.bucket,
    }
    with subprocess.Popen([sys.executable, "-m", "processors.worker"], env=env) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def cpu_s(worker: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(worker.pid).cpu_times()
    return float(times.user + times.system)


def stored(world: WorkerWorld) -> set[str]:
    return {info.key for page in world.store.list("") for info in page}


def started(world: WorkerWorld, account: AccountId, side: int) -> JobId:
    upload = world.upload(account, png(side, side), preset=PRESET, size=(side, side))
    (job_id,) = world.hand_out(upload)
    until(lambda: world.jobs.job(job_id).state is JobState.RUNNING)
    return job_id


def settle(world: WorkerWorld, job_id: JobId) -> None:
    """End a job as its worker says, and charge it, as the streams do."""
    world.jobs.end(*map(ending_of, world.reports(job_id)))
    world.jobs.bill()


def test_a_worker_killed_in_mid_tile_leaves_nothing_half_written_and_is_charged_for_once(
    world: WorkerWorld, account: AccountId, process: subprocess.Popen[bytes]
) -> None:
    loading = started(world, account, 8)
    until(lambda: bool(world.reports(loading)))
    settle(world, loading)
    job_id = started(world, account, SIDE)
    before = stored(world)
    begun = cpu_s(process)
    until(lambda: cpu_s(process) > begun + IN_THE_TILE_S)

    process.kill()
    process.wait()

    assert world.jobs.job(job_id).state is JobState.RUNNING
    assert world.reports(job_id) == []
    assert stored(world) == before

    world.jobs.clock.move(timedelta(minutes=1))
    sweep_leases(world.jobs.conn, clock=world.jobs.clock)
    world.jobs.conn.commit()
    world.hand_out()
    running = world.start()
    running.until(lambda: world.jobs.job(job_id).state is JobState.RUNNING)
    assert running.worker.drain(60)
    settle(world, job_id)

    key = result_key(world.jobs.job(job_id), "png")
    assert stored(world) == before | {key}
    with Image.open(io.BytesIO(world.store.results()[key])) as result:
        result.load()
        assert result.size == (4 * SIDE, 4 * SIDE)
    assert world.jobs.states(loading, job_id) == [JobState.SUCCEEDED] * 2
    assert world.jobs.open_holds() == frozenset()
    world.jobs.assert_sound()
