"""More processes of picmend on a running system, beside the supervised ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra import ready
from infra.stack import Running
from tests.e2e.customer import wait_until


@contextmanager
def one_more(system: Running, module: str, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run another process, ready; what it says and whether it is ready stands in `place`."""
    place.mkdir(exist_ok=True)
    told = place / f"{module}.ready"
    env = {**os.environ, **system.environment, ready.VARIABLE: str(told)}
    with (place / f"{module}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", module], env=env, stderr=log)  # noqa: S603 - our own module
    try:
        wait_until(told.exists, within_s=60, what=f"{module} ready")
        yield process
    finally:
        process.terminate()
        process.wait(30)
