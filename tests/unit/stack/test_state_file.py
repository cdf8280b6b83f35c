import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.stack import state
from infra.stack.child import Child, Command, Identity
from infra.stack.errors import AlreadyRunningError, StackError
from infra.stack.leftovers import down, end_leftovers

GONE = Identity(pid=2**22 - 3, started=1.0)


def of_this_test(supervisor: Identity, *processes: Identity) -> state.StackFile:
    return state.StackFile(
        supervisor=supervisor,
        phase=state.Phase.RUNNING,
        environment={"PICMEND_BUCKET": "uploads"},
        servers=(state.ServerEntry("kafka", "127.0.0.1:1", None),),
        processes=tuple(
            state.ProcessEntry(f"p{index}", "ready", identity, 1)
            for index, identity in enumerate(processes)
        ),
    )


def sleeper(folder: Path) -> Child:
    code = "import time; time.sleep(60)"
    command = Command((sys.executable, "-I", "-S", "-c", code), folder, os.environ)
    return Child.start(command, folder / "sleeper.log")


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    content = of_this_test(GONE, Identity(5, 2.5))
    state.write(tmp_path, content)
    assert state.read(tmp_path) == content


def test_only_the_user_can_read_the_file(tmp_path: Path) -> None:
    state.write(tmp_path, of_this_test(GONE))
    assert stat.S_IMODE((tmp_path / state.FILE_NAME).stat().st_mode) == 0o600


def test_a_file_of_another_version_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / state.FILE_NAME).write_text('{"other": 1}')
    with pytest.raises(StackError, match=r"stack\.json"):
        state.read(tmp_path)


def test_no_file_means_no_stack(tmp_path: Path) -> None:
    assert state.read(tmp_path) is None
    assert not down(tmp_path).was_running


def test_a_pid_that_belongs_to_a_stranger_by_now_is_left_alone(tmp_path: Path) -> None:
    stranger = sleeper(tmp_path)
    try:
        remembered = Identity(stranger.pid, stranger.identity.started - 100)
        state.write(tmp_path, of_this_test(GONE, remembered))
        assert down(tmp_path).killed == 0
        assert stranger.exit_code() is None
    finally:
        stranger.kill()


def test_what_a_killed_supervisor_left_behind_is_ended(tmp_path: Path) -> None:
    left = sleeper(tmp_path)
    state.write(tmp_path, of_this_test(GONE, left.identity))
    assert end_leftovers(tmp_path) == 1
    assert left.exit_code() is not None
    assert state.read(tmp_path) is None


def test_a_running_stack_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    state.write(tmp_path, of_this_test(me))
    with pytest.raises(AlreadyRunningError, match="picmend down"):
        end_leftovers(tmp_path)


def test_down_asks_the_supervisor_first(tmp_path: Path) -> None:
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print(1)\n"
    supervisor = subprocess.Popen(  # noqa: S603 - this very Python, with the code above
        [sys.executable, "-u", "-c", code + "time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert supervisor.stdout is not None
    supervisor.stdout.readline()
    identity = Identity.of(supervisor.pid)
    assert identity is not None
    state.write(tmp_path, of_this_test(identity))
    started = time.monotonic()
    assert down(tmp_path).was_running
    assert supervisor.wait(10) == 0
    assert time.monotonic() - started < 10
    supervisor.stdout.close()
