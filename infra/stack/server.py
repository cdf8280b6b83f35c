"""A local server as a child process: started, proved ready, stopped, killed, started again."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.stack.child import Child, Command, Identity, last_lines
from infra.stack.errors import ServerFailedError
from infra.stack.ports import require_free


class Server(Protocol):
    """One server of a stack. Fault tests stop, kill and start it again on the same address."""

    @property
    def name(self) -> str:
        """`kafka`, `postgres` or `store`."""
        ...

    @property
    def address(self) -> str:
        """host:port, as clients reach it."""
        ...

    @property
    def log(self) -> Path | None:
        """Its log file, where the stack keeps one."""
        ...

    def identity(self) -> Identity | None:
        """Return its process, or None when this stack runs none for it."""
        ...

    def ready(self) -> bool:
        """Whether it answers now."""
        ...

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens if it runs.

        Raises `ServerFailedError` or `PortTakenError`.
        """
        ...

    def stop(self) -> None:
        """End it in its own orderly way; nothing happens if it does not run."""
        ...

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        ...


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """Everything needed to run one server.

    `ready` answers whether it serves, quickly and without raising; `advice` says what a
    person can do when it does not start.
    """

    name: str
    ports: tuple[int, ...]
    address: str
    command: Command
    log: Path
    ready: Callable[[], bool]
    advice: str
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_timeout_s: float = 20.0
    start_timeout_s: float = 60.0


class NativeServer:
    """A server run as a plain child process by its plan."""

    def __init__(self, plan: ServerPlan) -> None:
        self._plan = plan
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """The server's name."""
        return self._plan.name

    @property
    def address(self) -> str:
        """host:port, as clients reach it."""
        return self._plan.address

    @property
    def log(self) -> Path:
        """The file that takes its output."""
        return self._plan.log

    def identity(self) -> Identity | None:
        """Return its process, or None when it does not run."""
        child = self._child
        return child.identity if child is not None and child.exit_code() is None else None

    def ready(self) -> bool:
        """Whether it runs and answers."""
        return self.identity() is not None and self._plan.ready()

    def start(self) -> None:
        """Launch it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the process without waiting for it. Raises `PortTakenError`."""
        if self.identity() is not None:
            return
        require_free(self.name, self._plan.ports)
        self._child = Child.start(
            self._plan.command, self._plan.log, death_signal=self._plan.death_signal
        )

    def wait_ready(self) -> None:
        """Wait until it answers; a process that does not get there is ended.

        Raises `ServerFailedError` with the last lines of its log.
        """
        child = self._child
        if child is None:
            raise ServerFailedError(f"{self.name} was not started")
        deadline = time.monotonic() + self._plan.start_timeout_s
        while not self._plan.ready():
            code = child.exit_code()
            if code is not None:
                raise self._failure(f"ended with code {code} while starting")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure(f"did not answer within {self._plan.start_timeout_s:.0f} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order; after the plan's patience by force."""
        if self._child is not None:
            self._child.stop(self._plan.stop_signal, self._plan.stop_timeout_s)
            self._child = None

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.kill()
            self._child.sweep()
            self._child = None

    def _failure(self, what: str) -> ServerFailedError:
        return ServerFailedError(
            f"{self.name} {what}. {self._plan.advice}\n"
            f"Last lines of {self._plan.log}:\n{last_lines(self._plan.log)}"
        )
