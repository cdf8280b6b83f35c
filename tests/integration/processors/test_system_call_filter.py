"""A confined process cannot reach the network, other programs or other processes."""

import subprocess
import sys

import pytest

ATTEMPTS = {
    "socket": "import socket; socket.socket()",
    "fork": "import os; os._exit(0) if os.fork() == 0 else None",
    "program": "import os; os.execv('/bin/true', ['true'])",
    "kill": "import os; os.kill(os.getppid(), 0)",
    "spawn": "import subprocess; subprocess.run(['/bin/true'])",
}
CONFINED = """
import sys
import socket
from processors.sandbox.seccomp import refuse_other_processes

if not refuse_other_processes():
    sys.exit(77)
try:
    exec(sys.argv[1])
except (PermissionError, RuntimeError):
    sys.exit(1)
"""


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_attempt_is_refused(attempt: str) -> None:
    result = subprocess.run(  # noqa: S603 (the arguments stand above)
        [sys.executable, "-c", CONFINED, ATTEMPTS[attempt]], check=False, capture_output=True
    )

    if result.returncode == 77:
        pytest.skip("this kernel or machine has no such filter")
    assert result.returncode == 1, result.stderr


@pytest.mark.parametrize(
    "work",
    [
        "import json, zlib; assert zlib.decompress(zlib.compress(b'a' * 9)) == b'a' * 9",
        "import threading as t; o = t.Thread(target=print); o.start(); o.join()",
    ],
    ids=["computing", "a thread of its own"],
)
def test_work_goes_on_under_the_filter(work: str) -> None:

    result = subprocess.run(  # noqa: S603 (the arguments stand above)
        [sys.executable, "-c", CONFINED, work], check=False, capture_output=True
    )

    assert result.returncode in {0, 77}, result.stderr
