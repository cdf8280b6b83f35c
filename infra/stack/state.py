"""The file by which other commands find a stack that runs: `stack.json` in its data directory."""

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from infra.stack.child import Identity
from infra.stack.errors import StackError

FILE_NAME: Final = "stack.json"


class Phase(StrEnum):
    """How far a stack has come."""

    STARTING = "starting"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """A server of the stack; `process` is None when the stack does not own it."""

    name: str
    address: str
    process: Identity | None


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One of picmend's own processes."""

    name: str
    state: str
    process: Identity | None
    starts: int


@dataclass(frozen=True, slots=True)
class StackFile:
    """What is known of a stack: who supervises it, what it runs, how to reach it."""

    supervisor: Identity
    phase: Phase
    provider: str = ""
    step: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    servers: tuple[ServerEntry, ...] = ()
    processes: tuple[ProcessEntry, ...] = ()

    def identities(self) -> tuple[Identity, ...]:
        """Return every process but the supervisor, picmend's own before the servers."""
        found = (
            *(entry.process for entry in self.processes),
            *(entry.process for entry in reversed(self.servers)),
        )
        return tuple(identity for identity in found if identity is not None)


_ADAPTER: Final = TypeAdapter(StackFile)


def write(data_dir: Path, content: StackFile) -> None:
    """Replace the file at once; only its user can read it, for it holds passwords."""
    path = data_dir / FILE_NAME
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(content), file, indent=1)
    new.replace(path)


def read(data_dir: Path) -> StackFile | None:
    """Return what the file says, or None when there is none.

    It may be left over from a stack that was killed: ask `supervisor.alive()`. Raises
    `StackError` when it cannot be understood.
    """
    path = data_dir / FILE_NAME
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackError(
            f"{path} is not a state file of this version; if no stack runs there, delete it"
        ) from error


def remove(data_dir: Path) -> None:
    """Delete the file, if it is there."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
