"""Ending what a stack's state file names: after `picmend down`, or after a supervisor's crash."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.stack import state
from infra.stack.child import Identity
from infra.stack.errors import AlreadyRunningError

_ORDERLY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What `down` did: whether a supervisor ran, and how many processes it had to kill."""

    was_running: bool
    killed: int


def down(data_dir: Path, timeout_s: float = 90.0) -> Ended:
    """End the stack of `data_dir`, and exactly its processes.

    The supervisor is asked and given `timeout_s`; what then still runs of what the state file
    names is killed. Nothing happens when no stack runs. Raises `StackError` when the state
    file cannot be understood.
    """
    found = state.read(data_dir)
    if found is None:
        return Ended(was_running=False, killed=0)
    was_running = found.supervisor.alive()
    if was_running:
        deadline = time.monotonic() + timeout_s
        found.supervisor.signal(signal.SIGTERM)
        while found.supervisor.alive() and time.monotonic() < deadline:
            # Processes it restarts meanwhile are named only in the newest file.
            found = state.read(data_dir) or found
            time.sleep(0.05)
        found.supervisor.signal(signal.SIGKILL)
    killed = _end(found.identities())
    state.remove(data_dir)
    return Ended(was_running=was_running, killed=killed)


def end_leftovers(data_dir: Path) -> int:
    """End what a stack that was killed left behind; return how many processes that were.

    Raises `AlreadyRunningError` when the stack still runs.
    """
    found = state.read(data_dir)
    if found is None:
        return 0
    if found.supervisor.alive():
        raise AlreadyRunningError(
            f"a stack already runs on {data_dir} (process {found.supervisor.pid}); `picmend "
            "status` shows it, `picmend down` ends it, and --data-dir starts a second one "
            "elsewhere"
        )
    killed = _end(found.identities())
    state.remove(data_dir)
    return killed


def _end(identities: tuple[Identity, ...]) -> int:
    living = [identity for identity in identities if identity.alive()]
    for identity in living:
        identity.signal(signal.SIGINT)
        if not identity.wait_gone(_ORDERLY_S):
            identity.signal(signal.SIGKILL)
            identity.wait_gone(_ORDERLY_S)
    return len(living)
