"""`picmend doctor --process`, as a container's health check runs it: with no supervisor near."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.jobs import outbox
from infra.backup.offsets import Offsetter
from infra.clock import SystemClock
from infra.health import Health
from infra.kafka_lag import STREAMS, WORKERS
from infra.monitor import Monitor
from infra.pulse import Pulse
from infra.stack.looks import ask
from tests.e2e.customer import wait_until

if TYPE_CHECKING:
    from infra.stack import Stack
    from infra.stack.isolation import Bucket, Database


@dataclass
class Doctor:
    """The command, in an environment like a container's."""

    environment: dict[str, str]

    def look(self, process: str) -> tuple[int, dict[str, str]]:
        """Return its exit code, and what failed: by name, what was found."""
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "cli.main", "doctor", "--process", process, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        told = json.loads(done.stdout) if done.returncode in {0, 1} else {"checks": []}
        failed = {each["name"]: each["found"] for each in told["checks"] if not each["ok"]}
        return done.returncode, failed


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """What a process runs for whoever watches it."""
    with Monitor() as monitor:
        yield monitor


@pytest.fixture
def _nothing_waits(stack: Stack) -> None:
    """What other tests sent is as good as read."""
    offsetter = Offsetter(stack.settings().kafka_bootstrap)
    try:
        ends = offsetter.ends()
        read = {
            topic: {number: there.end for number, there in partitions.items()}
            for topic, partitions in ends.items()
        }
        offsetter.set_back({group.name: read for group in (STREAMS, WORKERS)}, ends)
    finally:
        offsetter.close()


@pytest.fixture
def doctor(
    stack: Stack, database: Database, bucket: Bucket, monitor: Monitor, _nothing_waits: None
) -> Doctor:
    return Doctor(
        {
            **{name: value for name, value in os.environ.items() if "PICMEND" not in name},
            **stack.environment,
            "PICMEND_DATABASE_URL": database.app_url,
            "PICMEND_BUCKET": bucket.name,
            "PICMEND_MONITOR_PORT": monitor.address.rpartition(":")[2],
        }
    )


def parts_of_streams(monitor: Monitor, *, without: str = "") -> None:
    monitor.consumes([("usage", number) for number in range(8)])
    names = {"event-loop", "relay", "dispatcher", "sweeper", "judge", "reconciler"} - {without}
    monitor.watch(*(Pulse(name, within_s=600) for name in sorted(names)))


def test_a_process_that_works_is_well_and_so_is_each_of_its_parts(
    doctor: Doctor, monitor: Monitor
) -> None:
    parts_of_streams(monitor)
    monitor.tell_ready()
    assert doctor.look("streams") == (0, {})
    assert doctor.look("relay") == (0, {})


def test_a_part_that_does_not_run_there_is_said_to_be_missing(
    doctor: Doctor, monitor: Monitor
) -> None:
    parts_of_streams(monitor, without="reconciler")
    monitor.tell_ready()
    assert doctor.look("reconciler") == (1, {"reconciler": "is not part of streams here"})
    assert doctor.look("dispatcher") == (0, {})


def test_a_silent_part_an_outbox_that_stands_still_and_a_process_not_ready_are_each_named(
    doctor: Doctor, monitor: Monitor, database: Database
) -> None:
    parts_of_streams(monitor, without="sweeper")
    monitor.watch(Pulse("sweeper", within_s=0.0))
    with psycopg.connect(database.app_url) as conn:
        outbox.put(conn, [outbox.Message("usage", "k", b"{}")], SystemClock().now())
    code, failed = doctor.look("streams")
    assert code == 1
    assert failed.keys() == {"streams: ready", "streams: sweeper", "streams: outbox"}
    assert "oldest row has waited for" in failed["streams: outbox"]


def test_an_unknown_process_is_a_wrong_call(doctor: Doctor) -> None:
    assert doctor.look("nobody")[0] == 2


def test_an_api_that_is_frozen_fails_though_its_port_takes_connections(
    doctor: Doctor, monitor: Monitor
) -> None:
    monitor.close()
    port = doctor.environment["PICMEND_MONITOR_PORT"]

    def health() -> Health | None:
        return ask(f"127.0.0.1:{port}")

    with subprocess.Popen([sys.executable, "-m", "api"], env=doctor.environment) as process:
        try:
            wait_until(
                lambda: (told := health()) is not None and told.ready,
                within_s=60,
                what="the api ready",
            )
            assert doctor.look("api") == (0, {})
            process.send_signal(signal.SIGSTOP)
            code, failed = doctor.look("api")
            assert (code, failed) == (1, {"api: health": f"does not answer at 127.0.0.1:{port}"})
        finally:
            process.kill()
