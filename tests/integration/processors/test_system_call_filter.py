"""A confined process cannot reach files, the network, other programs or other processes."""

import subprocess
import sys
from pathlib import Path

import pytest

ATTEMPTS = {
    "socket": "socket.socket()",
    "fork": "os._exit(0) if os.fork() == 0 else None",
    "program": "os.execv('/bin/true', ['true'])",
    "kill": "os.kill(os.getppid(), 0)",
    "a signal by another call": "call(129 if x86 else 138, os.getppid(), 0, bytes(128))",
    "spawn": "subprocess.run(['/bin/true'])",
    "reading": "open('/etc/hostname').read()",
    "the worker's passwords": "open(f'/proc/{os.getppid()}/environ').read()",
    "the worker's memory": "os.open(f'/proc/{os.getppid()}/mem', os.O_RDWR)",
    "a new file": "os.close(os.open(name + '.new', os.O_CREAT | os.O_WRONLY))",
    "emptying": "os.truncate(name, 0)",
    "deleting": "os.unlink(name)",
    "renaming": "os.rename(name, name + '.old')",
    "access for all": "os.chmod(name, 0o777)",
    "a link": "os.symlink('/', name + '.link')",
    "the worker's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "the worker's share": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "shared memory": "call(29 if x86 else 194, 0, 4096, 0o600)",
}
CONFINED = """
# What is imported later could not be, and would look like a refusal.
import ctypes, json, os, platform, resource, socket, subprocess, sys, threading, zlib
from processors.sandbox.seccomp import refuse_all_but_computing

name, x86, libc = sys.argv[2], platform.machine() == "x86_64", ctypes.CDLL(None, use_errno=True)


def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


if not refuse_all_but_computing():
    sys.exit(77)
try:
    exec(sys.argv[1])
except (PermissionError, RuntimeError):
    sys.exit(1)
"""


def confined(code: str, name: Path) -> subprocess.CompletedProcess[bytes]:
    """Run `code` in a confined process; `name` is a file's. It exits with 77 without a filter."""
    return subprocess.run(  # noqa: S603 (the arguments stand in this file)
        [sys.executable, "-c", CONFINED, code, str(name)], check=False, capture_output=True
    )


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_attempt_is_refused(attempt: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    result = confined(ATTEMPTS[attempt], there)

    if result.returncode == 77:
        pytest.skip("this kernel or machine has no such filter")
    assert result.returncode == 1, result.stderr
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("there", "mine")]


@pytest.mark.parametrize(
    "work",
    [
        "assert zlib.decompress(zlib.compress(b'a' * 9)) == b'a' * 9",
        "o = threading.Thread(target=json.dumps, args=[1]); o.start(); o.join()",
        "resource.setrlimit(resource.RLIMIT_CPU, (9, 9))",
    ],
    ids=["computing", "a thread of its own", "a limit of its own"],
)
def test_work_goes_on_under_the_filter(work: str, tmp_path: Path) -> None:
    result = confined(work, tmp_path)

    assert result.returncode in {0, 77}, result.stderr
