"""Looks at processes from outside: their `/health`, their groups' commits, the outbox."""

import http.client
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from infra import ready
from infra.health import Health
from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import Group, LagReader, TopicProgress
from infra.settings import Settings
from infra.stack import overview
from infra.stack.errors import StackError
from infra.stack.judgement import Look
from infra.stack.programs import ready_file

ANSWER_S: Final = 1.0
"""How long a process may take to say how it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A process to look at: where its monitor is, once it is known, and its consumer group."""

    name: str
    monitor: Callable[[], str | None]
    group: Group | None


class Looker:
    """Looks at processes, over a connection to Kafka that is kept; not for several threads."""

    def __init__(self, settings: Settings, targets: Iterable[Target]) -> None:
        self._settings = settings
        self._targets = tuple(targets)
        self._lag: LagReader | None = None
        # A frozen process must not keep the look at the next one waiting.
        self._askers = ThreadPoolExecutor(max(1, len(self._targets)), thread_name_prefix="look")

    def look(self) -> Mapping[str, Look] | None:
        """Return what is seen of each process, by name; None when a server does not answer."""
        healths = dict(zip(self._targets, self._askers.map(_health, self._targets), strict=True))
        try:
            outbox = overview.outbox_head(self._settings)
            if not overview.store_answers(self._settings):
                return None
            return {
                target.name: Look(health, self._progress(target, health), outbox)
                for target, health in healths.items()
            }
        except (StackError, BrokerUnavailableError):
            return None

    def close(self) -> None:
        """End the connections."""
        self._askers.shutdown(wait=False)
        if self._lag is not None:
            self._lag.close()

    def _progress(self, target: Target, health: Health | None) -> tuple[TopicProgress, ...]:
        if target.group is None or health is None:
            return ()
        self._lag = self._lag or LagReader(self._settings.kafka_bootstrap)
        return self._lag.read(target.group, held=health.partitions)


def monitor_of(data_dir: Path, name: str) -> str | None:
    """Return the host:port at which a program that is supervised on `data_dir` says how it is."""
    told = ready.read(ready_file(data_dir, name))
    return told.monitor if told is not None else None


WELL: Final = "well"


def health_in_words(data_dir: Path, name: str) -> str:
    """Return how a supervised program says it is: `WELL`, or what is wrong."""
    monitor = monitor_of(data_dir, name)
    health = ask(monitor) if monitor is not None else None
    if health is None:
        return "does not answer"
    silent = ", ".join(f"{part.name} for {part.silent_s:.0f} s" for part in health.silent)
    return f"has silent parts: {silent}" if silent else WELL


def ask(address: str) -> Health | None:
    """Return what the process whose monitor is at `address` says of itself, if it answers."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_S)
    try:
        connection.request("GET", "/health")
        return Health.model_validate_json(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValidationError):
        return None
    finally:
        connection.close()


def _health(target: Target) -> Health | None:
    address = target.monitor()
    return ask(address) if address is not None else None
