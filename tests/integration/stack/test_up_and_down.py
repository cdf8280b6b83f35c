import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cli.context import load_environment
from infra.stack import Running, running, state
from infra.stack.errors import PortTakenError, ProgramFailedError, StackError
from infra.stack.supervisor import Event, State

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PICMEND_")}
DEADLINE_S = 90


def picmend(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "cli.main", *arguments],
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


def up(place: Path) -> subprocess.CompletedProcess[str]:
    return picmend("up", "--detach", "--data-dir", str(place), "--processes", "", "--json")


def pids_of(data_dir: Path) -> set[int]:
    found = state.read(data_dir)
    assert found is not None
    return {found.supervisor.pid, *(identity.pid for identity in found.identities())}


def all_gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(map(lives, pids)):
            return True
        time.sleep(0.05)
    return False


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_two_detached_stacks_run_side_by_side_and_down_ends_exactly_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with ThreadPoolExecutor(2) as hands:
        begun = {place: hands.submit(up, place) for place in (one, two)}
    for place, starting in begun.items():
        done = starting.result()
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data_dir"] == str(place)
    first, second = pids_of(one), pids_of(two)
    assert len(first) == len(second) == 4
    assert not first & second
    seen = picmend("status", "--data-dir", str(one), "--json")
    assert seen.returncode == 0, seen.stdout
    status = json.loads(seen.stdout)
    assert [server["answers"] for server in status["servers"]] == [True] * 3
    assert {row["group"] for row in status["lag"]} == {"picmend", "picmend-workers"}
    again = picmend("up", "--data-dir", str(one))
    assert again.returncode == 1
    assert "already runs" in again.stderr

    assert picmend("down", "--data-dir", str(one)).returncode == 0
    assert all_gone(first)
    assert all(map(lives, second))
    assert picmend("status", "--data-dir", str(one)).returncode == 3
    assert picmend("down", "--data-dir", str(two)).returncode == 0
    assert all_gone(second)


def test_a_killed_supervisor_takes_all_with_it_and_the_next_start_works(tmp_path: Path) -> None:
    command = ("up", "--detach", "--data-dir", str(tmp_path), "--processes", "")
    assert picmend(*command).returncode == 0
    before = pids_of(tmp_path)
    found = state.read(tmp_path)
    assert found is not None
    os.kill(found.supervisor.pid, signal.SIGKILL)
    assert all_gone(before)
    with pytest.raises(StackError, match="no stack runs"):
        load_environment(tmp_path)
    assert picmend(*command).returncode == 0
    after = pids_of(tmp_path)
    assert picmend("down", "--data-dir", str(tmp_path)).returncode == 0
    assert all_gone(after)


@pytest.mark.parametrize(
    ("moment", "number"), [("starting Postgres", signal.SIGINT), ("running", signal.SIGTERM)]
)
def test_a_signal_ends_everything_whenever_it_comes(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    process = subprocess.Popen(  # noqa: S603 - this very program
        [
            *(sys.executable, "-u", "-m", "cli.main", "up", "--data-dir", str(tmp_path)),
            *("--processes", ""),
        ],
        env={**CLEAN, "TTY_INTERACTIVE": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + DEADLINE_S
        step = ""
        while moment not in step and time.monotonic() < deadline:
            found = state.read(tmp_path)
            step = found.step if found else ""
        started = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
        process.send_signal(number)
        assert process.wait(30) == 0
        assert started
        assert all_gone(started)
        assert state.read(tmp_path) is None
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def test_a_killed_process_is_started_again_and_becomes_ready(tmp_path: Path) -> None:
    with running(tmp_path, processes=("api",), durable=False) as everything:
        api = everything.process("api")
        before = api.pid
        api.kill()
        api.wait_ready(60)
        assert api.pid != before
        assert api.status().starts == 2
        held(everything)
    assert before is not None
    assert not lives(before)


def held(everything: Running) -> None:
    api = everything.process("api")
    api.kill(hold=True)
    assert api.status().state is State.STOPPED
    api.restart(60)
    assert api.status().state is State.READY


def test_a_process_that_cannot_start_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    nowhere = {"PICMEND_API_HOST": "nowhere.invalid"}
    failure = pytest.raises(ProgramFailedError, match="api ended 3 times")
    with failure, running(tmp_path, processes=("api",), env=nowhere, durable=False):
        pass
    assert state.read(tmp_path) is None


def test_an_api_port_in_use_is_said_before_anything_of_it_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {"PICMEND_API_PORT": str(port)}
        failure = pytest.raises(PortTakenError, match=rf"api needs port {port} .*{os.getpid()}")
        with failure, running(tmp_path, processes=("api",), env=env, durable=False):
            pass


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    broken = {"PICMEND_LEASE_S": "not a number"}
    failure = pytest.raises(StackError, match=r"PICMEND_LEASE_S: .*valid number")
    with failure, running(tmp_path, processes=("api",), env=broken, durable=False):
        pass


def test_supervision_that_ends_by_an_error_says_so_to_whoever_waits(tmp_path: Path) -> None:
    def broken(event: Event) -> None:
        raise OSError(f"cannot tell of {event.program}")

    failure = pytest.raises(StackError, match=r"supervision has ended.*cannot tell of api")
    with failure, running(tmp_path, processes=("api",), on_event=broken, durable=False):
        pass
