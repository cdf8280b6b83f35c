"""Real processes that hang, each in its way: their supervisor sees it, and replaces them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra.stack import Running, open_stack
from infra.stack.programs import PROGRAM_NAMES, Program, programs
from infra.stack.running import supervised, wait_all_ready
from infra.stack.supervisor import Change, Event
from tests.e2e.customer import Customer, customer_of, picture, wait_until
from tests.integration.stack.hangable import Hang

pytestmark = pytest.mark.timed

ROOT = Path(__file__).parents[3]
FROZEN_S = 30.0
"""The longest from a freeze until the replacement has done the work that waits."""


@dataclass
class System:
    """Everything, with processes that can be made to hang, and what their supervisor saw."""

    running: Running
    folder: Path
    events: list[Event] = field(default_factory=list)

    def arm(self, hang: Hang) -> Path:
        """Let a part hang at its next turn; return the file that is gone once it does."""
        armed = self.folder / hang
        armed.touch()
        return armed

    def freeze(self, name: str) -> None:
        pid = self.running.process(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)

    def replaced(self, name: str) -> list[str]:
        """Return why a process was replaced, each time that it was."""
        why = {Change.STUCK, Change.DIED}
        return [e.detail for e in self.events if e.program == name and e.change in why]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    place = tmp_path_factory.mktemp("hung")
    events: list[Event] = []
    with open_stack(place, durable=False) as stack:
        settings = stack.settings()
        table = [
            hangable(program, place)
            for program in programs(
                PROGRAM_NAMES, api_host=settings.api_host, api_port=settings.api_port
            )
        ]
        with supervised(table, stack=stack, data_dir=place, on_event=events.append) as supervisor:
            wait_all_ready(supervisor)
            yield System(Running(stack, supervisor), place, events)
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 20


def hangable(program: Program, folder: Path) -> Program:
    if program.name == "api":
        return program
    return replace(
        program,
        command=(
            *(sys.executable, "-m", "tests.integration.stack.hangable"),
            *(program.name, str(folder)),
        ),
        # A renewal comes while a small picture is restored.
        environment={"PYTHONPATH": str(ROOT), "PICMEND_LEASE_RENEWAL_S": "0.5"},
    )


@dataclass(frozen=True)
class Case:
    """A process, what makes it hang, and what its supervisor must say of it."""

    victim: str
    cause: Callable[[System, Customer], object]
    seen: str


def arm(hang: Hang) -> Callable[[System, Customer], object]:
    return lambda system, _: system.arm(hang)


def freeze(name: str) -> Callable[[System, Customer], object]:
    return lambda system, _: system.freeze(name)


def deadlock_renewals(system: System, customer: Customer) -> None:
    """Let a job run for so long that its lease is renewed."""
    armed = system.arm(Hang.LEASES)
    customer.upload("upscale-photo-x4", "slow.png", picture(96, 96))
    wait_until(lambda: not armed.exists(), within_s=30, what="a lease to be renewed")


EXITS = Case("streams", arm(Hang.AGENT_EXITS), "code 70; ")
AWAITS = Case("streams", arm(Hang.AGENT_AWAITS), "job-requests: ")
TASK = Case("streams", arm(Hang.TASK), "dispatcher: no turn for ")
LEASES = Case("worker", deadlock_renewals, "leases: no turn for ")
FROZEN_STREAMS = Case("streams", freeze("streams"), "health: does not answer")
FROZEN_WORKER = Case("worker", freeze("worker"), "health: does not answer")
FROZEN_API = Case("api", freeze("api"), "health: does not answer")


def was_replaced(system: System, name: str, before: int) -> bool:
    return len(system.replaced(name)) > before


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param((EXITS, FROZEN_API), id="an agent raised SystemExit; a frozen api"),
        pytest.param((AWAITS, FROZEN_WORKER), id="an agent awaits for ever; a frozen worker"),
        pytest.param((LEASES, TASK), id="the renewal of leases is deadlocked; a task hangs"),
        pytest.param((FROZEN_STREAMS,), id="a frozen streams"),
    ],
)
def test_what_hangs_is_replaced_and_the_job_in_hand_is_done_and_charged_once(
    system: System, cases: tuple[Case, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {case.victim: system.running.process(case.victim).status() for case in cases}
    seen = {name: len(system.replaced(name)) for name in before}
    with customer_of(system.running) as customer:
        for case in cases:
            case.cause(system, customer)
        begun = time.monotonic()
        upload = customer.upload("identity", "photo.png", picture())
        for case in cases:
            wait_until(
                partial(was_replaced, system, case.victim, seen[case.victim]),
                within_s=60,
                what=f"{case.victim} found to hang",
            )
            assert system.replaced(case.victim)[-1].startswith(case.seen)
        customer.wait_ended([upload])
        took = time.monotonic() - begun
        for name, status in before.items():
            process = system.running.process(name)
            process.wait_ready(60)
            assert process.status().identity != status.identity
        with capsys.disabled():
            print(f"\n{'; '.join(case.seen for case in cases)}: done after {took:.1f} s")  # noqa: T201 - the figure
        customer.wait_ended(customer.jobs())
        assert set(customer.jobs().values()) == {("succeeded", None)}
        customer.assert_charged_exactly_once([upload], each=1)
    assert httpx.get(f"{system.running.api_url}/readyz").status_code == 200
    # Once is enough: nobody who works is replaced with them.
    assert [len(system.replaced(name)) - seen[name] for name in before] == [1] * len(cases)
    if cases == (FROZEN_STREAMS,):
        assert took < FROZEN_S
