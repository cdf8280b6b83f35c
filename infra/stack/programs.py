"""picmend's own processes: what the supervisor runs on top of the servers."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.kafka_lag import STREAMS, Group


@dataclass(frozen=True, slots=True)
class Program:
    """One process of picmend.

    It is ready when `ready_url` answers 200 or, without one, when it has written the file
    that `PICMEND_READY_FILE` names. `group` is the consumer group whose commits must move
    while it lags, or None where a long job may rightly keep them still.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str | None = None
    group: Group | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_timeout_s: float = 20.0
    start_timeout_s: float = 120.0


PROGRAM_NAMES: Final = ("api", "streams", "worker")


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
        # A worker whose slots are full takes nothing for minutes: its lag says nothing.
        "worker": Program("worker", (sys.executable, "-m", "processors.worker"), environment=more),
    }
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"no such process: {', '.join(unknown)}; known: {', '.join(table)}")
    return tuple(table[name] for name in names)
