"""More processes of picmend on a running system, beside the supervised ones."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra import ready
from infra.stack import Running
from tests.e2e.customer import wait_until


@contextmanager
def one_more(system: Running, module: str, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run another process, ready; what it says and whether it is ready stands in `place`."""
    with some_more(system, module, [place]) as (process,):
        yield process


@contextmanager
def some_more(
    system: Running, module: str, places: list[Path]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run a process for each place, all ready; they start at once."""
    with each_of(system, [(module, place) for place in places]) as processes:
        yield processes


@contextmanager
def each_of(
    system: Running, wanted: Sequence[tuple[str, Path]]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run a process of each module, all ready; they start and end at once."""
    with ExitStack() as ending, ExitStack() as asking:
        processes: list[subprocess.Popen[bytes]] = []
        for module, place in wanted:
            place.mkdir(exist_ok=True)
            env = {**os.environ, **system.environment, ready.VARIABLE: str(_told(place, module))}
            log = ending.enter_context((place / f"{module}.log").open("wb"))
            process = subprocess.Popen([sys.executable, "-m", module], env=env, stderr=log)  # noqa: S603 - our own module
            ending.callback(process.wait, 30)
            asking.callback(process.terminate)
            processes.append(process)
        for module, place in wanted:
            wait_until(_told(place, module).exists, within_s=60, what=f"{module} ready")
        yield processes


def _told(place: Path, module: str) -> Path:
    return place / f"{module}.ready"
