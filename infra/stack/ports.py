"""Loopback ports for one stack: a block of neighbours that no other stack uses.

Ports lie below the range from which the kernel takes ports for outgoing connections, so
that a server which is stopped for a while finds its port free when it starts again.
"""

import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from infra.stack.errors import PortTakenError

_FIRST: Final = 18_000
_STEP: Final = 16
_BLOCKS: Final = 290
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PortBlock:
    """The ports of one stack, counted from `start`."""

    start: int

    @property
    def store(self) -> int:
        """First of the object store's nine ports; its admin port + 10,000 belongs to it too."""
        return self.start

    @property
    def kafka(self) -> int:
        """Kafka's port for clients."""
        return self.start + 9

    @property
    def kafka_controller(self) -> int:
        """Kafka's port for its own controller."""
        return self.start + 10

    @property
    def postgres(self) -> int:
        """Postgres's port."""
        return self.start + 11

    @property
    def api(self) -> int:
        """The API's port."""
        return self.start + 12

    def all(self) -> tuple[int, ...]:
        """Return every port of the block."""
        return (*range(self.start, self.start + _STEP), self.start + 10_008)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(server: str, ports: Iterable[int]) -> None:
    """Raise `PortTakenError` for the first port of `ports` that is in use."""
    for port in ports:
        if not is_free(port):
            raise PortTakenError(
                f"{server} needs port {port} of {_LOOPBACK}, which {_owner(port)} uses; "
                "end that process, or choose another port"
            )


@contextmanager
def reserved_block(remembered: Path) -> Iterator[PortBlock]:
    """Hold a block of free ports, the one named in the file `remembered` if it is free.

    No other stack of this machine's users of the same temporary directory gets the block
    while it is held. Raises `PortTakenError` when every block has a port in use.
    """
    folder = Path(tempfile.gettempdir()) / f"picmend-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for start in _candidates(remembered):
        block = PortBlock(start)
        with (folder / str(start)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not all(is_free(port) for port in block.all()):
                continue
            remembered.write_text(json.dumps({"start": start}))
            yield block
            return
    raise PortTakenError(
        f"found no {_STEP} neighbouring free ports of {_LOOPBACK} from {_FIRST} on; "
        "end some of the processes that listen there (see `ss -ltnp`)"
    )


def _candidates(remembered: Path) -> Iterator[int]:
    if remembered.exists():
        yield int(json.loads(remembered.read_text())["start"])
    starts = [_FIRST + _STEP * index for index in range(_BLOCKS)]
    random.shuffle(starts)
    yield from starts


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp4"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid is not None
            ):
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"
