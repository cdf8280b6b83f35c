import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.stack.programs import Program
from infra.stack.supervisor import STEADY_S, Change, Event, State, Supervisor

READY = "import os, pathlib, time; pathlib.Path(os.environ['PICMEND_READY_FILE']).touch(); "
STAYS = READY + "time.sleep(60)"
DIES = "raise SystemExit(3)"


def program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-I", "-S", "-c", code), stop_timeout_s=5.0)


class Watch:
    def __init__(self) -> None:
        self.failures: dict[str, str] = {}

    def take_failure(self, name: str) -> str | None:
        return self.failures.pop(name, None)

    def forget(self, name: str) -> None:
        self.failures.pop(name, None)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*programs: Program, watch: Watch | None = None) -> Supervisor:
        made.append(Supervisor(programs, environment={"MARK": "1"}, data_dir=tmp_path, watch=watch))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.close()


def step_until(supervisor: Supervisor, now: float, change: Change) -> Event:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for event in supervisor.step(now):
            if event.change is change:
                return event
        time.sleep(0.01)
    raise AssertionError(f"saw no {change}; states: {supervisor.status()}")


Supervise = Callable[..., Supervisor]


def test_a_program_is_ready_once_it_has_written_its_ready_file(supervise: Supervise) -> None:
    supervisor = supervise(program("one", STAYS))
    assert not supervisor.all_ready()
    step_until(supervisor, 0.0, Change.READY)
    assert supervisor.all_ready()


def test_the_ready_file_of_an_earlier_run_does_not_count(
    supervise: Supervise, tmp_path: Path
) -> None:
    supervisor = supervise(program("one", "import time; time.sleep(60)"))
    (tmp_path / "run" / "one.ready").touch()
    for _ in range(20):
        supervisor.step(0.0)
    assert supervisor.status()[0].state is State.STARTING


def test_what_dies_is_started_again_after_a_wait_that_doubles(supervise: Supervise) -> None:
    supervisor = supervise(program("one", DIES))
    now, waits = 0.0, []
    for _ in range(4):
        event = step_until(supervisor, now, Change.DIED)
        assert "code 3" in event.detail
        died = now
        while not supervisor.step(now):
            now += 0.25
        waits.append(now - died)
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_what_worked_comes_back_at_once_and_waits_only_when_it_dies_again_soon(
    supervise: Supervise,
) -> None:
    supervisor = supervise(program("one", STAYS))

    def wait_after_death(now: float) -> float:
        identity = supervisor.status()[0].identity
        assert identity is not None
        identity.signal(signal.SIGKILL)
        step_until(supervisor, now, Change.DIED)
        start = now
        while not any(e.change is Change.STARTED for e in supervisor.step(now)):
            now += 0.25
        step_until(supervisor, now, Change.READY)
        return now - start

    step_until(supervisor, 0.0, Change.READY)
    assert [wait_after_death(now) for now in (1.0, 5.0, 10.0)] == [0.0, 1.0, 2.0]
    supervisor.step(15.0 + STEADY_S)
    assert wait_after_death(15.0 + STEADY_S) == 0.0


def test_a_frozen_program_is_replaced_too(supervise: Supervise) -> None:
    watch = Watch()
    supervisor = supervise(program("one", STAYS), watch=watch)
    step_until(supervisor, 0.0, Change.READY)
    before = supervisor.status()[0].identity
    assert before is not None
    before.signal(signal.SIGSTOP)
    watch.failures["one"] = "health: does not answer"
    step_until(supervisor, 1.0, Change.STUCK)
    step_until(supervisor, 1.0, Change.READY)
    assert not before.alive()


def test_every_program_is_told_to_take_a_free_port_for_its_monitor(
    supervise: Supervise, tmp_path: Path
) -> None:
    told = tmp_path / "port"
    code = f"open({str(told)!r}, 'w').write(os.environ['PICMEND_MONITOR_PORT']); "
    supervisor = supervise(program("one", STAYS.replace("pathlib.Path", code + "pathlib.Path")))
    step_until(supervisor, 0.0, Change.READY)
    assert told.read_text() == "0"


def test_a_killed_program_comes_back_at_once_with_another_pid(supervise: Supervise) -> None:
    supervisor = supervise(program("one", STAYS))
    step_until(supervisor, 0.0, Change.READY)
    before = supervisor.status()[0].identity
    supervisor.kill("one")
    assert supervisor.status()[0].state is State.WAITING
    step_until(supervisor, 0.0, Change.READY)
    after = supervisor.status()[0]
    assert after.identity != before
    assert after.starts == 2


def test_a_stopped_program_stays_ended_until_it_is_started(supervise: Supervise) -> None:
    supervisor = supervise(program("one", STAYS))
    step_until(supervisor, 0.0, Change.READY)
    identity = supervisor.status()[0].identity
    supervisor.stop("one")
    assert identity is not None
    assert not identity.alive()
    assert supervisor.step(1000.0) == ()
    supervisor.start("one")
    step_until(supervisor, 1000.0, Change.READY)


def test_a_program_that_runs_but_does_not_work_is_replaced_at_once_and_why_is_said(
    supervise: Supervise,
) -> None:
    watch = Watch()
    supervisor = supervise(program("one", STAYS), program("two", STAYS), watch=watch)
    step_until(supervisor, 0.0, Change.READY)
    deadline = time.monotonic() + 20
    while not supervisor.all_ready() and time.monotonic() < deadline:
        supervisor.step(0.0)
    watch.failures["two"] = "relay: no turn for 40 s"
    event = step_until(supervisor, 1.0, Change.STUCK)
    assert event == Event("two", Change.STUCK, "relay: no turn for 40 s; started again at once")
    assert step_until(supervisor, 1.0, Change.READY).program == "two"
    assert supervisor.status()[0].starts == 1


def test_a_program_that_never_gets_ready_is_replaced(supervise: Supervise) -> None:
    supervisor = supervise(program("one", "import time; time.sleep(60)"))
    step_until(supervisor, 0.0, Change.STARTED)
    assert supervisor.step(119.0) == ()
    assert step_until(supervisor, 121.0, Change.SLOW).program == "one"


def test_close_leaves_no_process_not_even_grandchildren(
    supervise: Supervise, tmp_path: Path
) -> None:
    child_pid = tmp_path / "pid"
    code = (
        "import subprocess, sys, os; "
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"open({str(child_pid)!r}, 'w').write(str(p.pid)); " + STAYS
    )
    supervisor = supervise(program("one", code))
    step_until(supervisor, 0.0, Change.READY)
    supervisor.close()
    grandchild = int(child_pid.read_text())
    deadline = time.monotonic() + 5
    while _runs(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(grandchild)


def test_output_goes_to_the_programs_log_and_its_tail_can_be_shown(supervise: Supervise) -> None:
    supervisor = supervise(program("one", "print('the reason'); " + DIES))
    step_until(supervisor, 0.0, Change.DIED)
    assert "the reason" in supervisor.log_tail("one")


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
