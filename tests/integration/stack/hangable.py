"""Processes like picmend's own, of which a part hangs when a test arms it.

`python -m tests.integration.stack.hangable streams|worker FOLDER`: once the file `FOLDER/<hang>`
exists, that part takes it away and hangs. So it hangs once, and what replaces it does not.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import uvloop
from psycopg import Connection

from infra import logs
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import Message
from infra.monitor import Monitor
from infra.postgres import Alone
from infra.settings import Settings, settings
from schemas.ids import JobId
from streams.dispatcher import Dispatcher, caps
from streams.stage import Stage
from streams.supervised import Supervised
from streams.tasks import TaskThread


class Hang(StrEnum):
    """What can be armed."""

    AGENT_EXITS = "agent-exits"
    AGENT_AWAITS = "agent-awaits"
    TASK = "task"
    LEASES = "leases"


Armed = Callable[[Hang], bool]


def armed_in(folder: Path) -> Armed:
    """Return what tells whether a hang is armed, once."""

    def armed(hang: Hang) -> bool:
        try:
            (folder / hang).unlink()
        except FileNotFoundError:
            return False
        return True

    return armed


class HangingAgent(Supervised[Any]):
    """The agent of a stage: it raises SystemExit, or awaits what never comes."""

    def __init__(self, stage: Stage[Any], dead_letters: DeadLetters, armed: Armed) -> None:
        super().__init__(stage, dead_letters)
        self._armed = armed

    async def __call__(self, messages: Sequence[Message]) -> None:
        if self._armed(Hang.AGENT_EXITS):
            raise SystemExit("an agent that believes it can end its process so")
        if self._armed(Hang.AGENT_AWAITS):
            await asyncio.Event().wait()
        await super().__call__(messages)


class HangingDispatcher(Dispatcher):
    """A task whose turn never ends."""

    def __init__(self, config: Settings, armed: Armed) -> None:
        super().__init__(caps(config), SystemClock())
        self._armed = armed

    def step(self, conn: Connection) -> bool:
        if self._armed(Hang.TASK):
            threading.Event().wait()
        return super().step(conn)


def streams(config: Settings, armed: Armed) -> None:
    """Run the agents and tasks; it is admission's agent and the dispatcher that hang."""
    from streams.__main__ import build, run  # noqa: PLC0415 - a worker needs no Faust

    def carry(stage: Stage[Any], dead_letters: DeadLetters) -> Supervised[Any]:
        if stage.name == "admission":
            return HangingAgent(stage, dead_letters, armed)
        return Supervised(stage, dead_letters)

    with Monitor() as monitor:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        app, tasks = build(config, carry=carry)
        url = config.database_url.get_secret_value()
        hanging = TaskThread(HangingDispatcher(config, armed), Alone.DISPATCHER, url)
        run(config, monitor, app, [t if t.name != hanging.name else hanging for t in tasks])


def worker(config: Settings, armed: Armed) -> None:
    """Run a worker; it is the thread that renews leases that waits for itself."""
    from processors.worker.__main__ import Claims, run  # noqa: PLC0415 - streams need no torch

    class DeadlockedClaims(Claims):
        def renew(self, attempts: Sequence[tuple[JobId, int]]) -> Mapping[JobId, bool]:
            if armed(Hang.LEASES):
                lock = threading.Lock()
                with lock, lock:
                    raise AssertionError("a lock was taken twice")
            return super().renew(attempts)

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with Monitor() as monitor:
        run(config, stopping, monitor, make_claims=DeadlockedClaims)


def main() -> None:
    """Run the process that the command line names."""
    process, folder = sys.argv[1:]
    config = settings()
    logs.configure(config.log_level)
    {"streams": streams, "worker": worker}[process](config, armed_in(Path(folder)))


if __name__ == "__main__":
    main()
