"""The one who keeps a running stack's state file up to date."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from infra.stack import state
from infra.stack.child import Identity
from infra.stack.stack import Stack
from infra.stack.supervisor import ProgramStatus, Supervisor


class Journal:
    """Keeps `stack.json` up to date; written only when something in it changed.

    May be called from several threads.
    """

    def __init__(self, data_dir: Path) -> None:
        identity = Identity.of(os.getpid())
        if identity is None:
            raise AssertionError("this process does not exist")
        self._data_dir = data_dir
        self._supervisor = identity
        self._phase = state.Phase.STARTING
        self._step = ""
        self._lock = threading.Lock()
        self._written: state.StackFile | None = None
        self.stack: Stack | None = None

    def step(self, text: str) -> None:
        """Note what is being done to start it."""
        self._step = text
        self._write(())

    def running(self, supervisor: Supervisor) -> None:
        """Note that it has come up."""
        self._phase, self._step = state.Phase.RUNNING, "running"
        self.note(supervisor)

    def note(self, supervisor: Supervisor) -> None:
        """Note how its processes stand."""
        self._write(supervisor.status())

    def close(self) -> None:
        """Delete the file, unless it has become another supervisor's."""
        found = state.read(self._data_dir)
        if found is not None and found.supervisor == self._supervisor:
            state.remove(self._data_dir)

    def _write(self, programs_now: Sequence[ProgramStatus]) -> None:
        stack = self.stack
        content = state.StackFile(
            supervisor=self._supervisor,
            phase=self._phase,
            provider=stack.provider if stack else "",
            step=self._step,
            environment=dict(stack.environment) if stack else {},
            servers=tuple(
                state.ServerEntry(server.name, server.address, server.identity())
                for server in (stack.servers if stack else ())
            ),
            processes=tuple(
                state.ProcessEntry(p.name, p.state.value, p.identity, p.starts)
                for p in programs_now
            ),
        )
        with self._lock:
            if content != self._written:
                state.write(self._data_dir, content)
                self._written = content
