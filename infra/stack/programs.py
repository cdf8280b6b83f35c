"""picmend's own processes: what the supervisor runs on top of the servers."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.kafka_lag import STREAMS, WORKERS, Group


@dataclass(frozen=True, slots=True)
class Program:
    """One process of picmend.

    It is ready when `ready_url` answers 200 or, without one, when it has written the file
    that `PICMEND_READY_FILE` names. `group` is the consumer group whose commits must move
    while there is something ahead of its partitions, if it consumes any.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str | None = None
    group: Group | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_timeout_s: float = 20.0
    start_timeout_s: float = 120.0


PROGRAM_NAMES: Final = ("api", "streams", "worker")


def ready_file(data_dir: Path, name: str) -> Path:
    """Return the file by which a supervised program tells that it works."""
    return (data_dir / "run" / f"{name}.ready").resolve()


def programs(
    names: tuple[str, ...], *, api_host: str, api_port: int, extra: Mapping[str, str] | None = None
) -> tuple[Program, ...]:
    """Return the programs of these names, each with `extra` added to its environment.

    Raises `ValueError` for a name that is not in `PROGRAM_NAMES`.
    """
    more = dict(extra or {})
    table = {
        "api": Program(
            "api",
            (sys.executable, "-m", "api"),
            ready_url=f"http://{api_host}:{api_port}/readyz",
            environment=more,
        ),
        "streams": Program(
            "streams", (sys.executable, "-m", "streams"), group=STREAMS, environment=more
        ),
        "worker": Program(
            "worker", (sys.executable, "-m", "processors.worker"), group=WORKERS, environment=more
        ),
    }
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"no such process: {', '.join(unknown)}; known: {', '.join(table)}")
    return tuple(table[name] for name in names)
