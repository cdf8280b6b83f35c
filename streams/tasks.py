"""The tasks beside the agents: each runs alone in all, in a thread of its own."""

import threading
from typing import LiteralString, Protocol

from psycopg import Connection

from infra import metrics
from infra.logs import logger
from infra.postgres import Alone, alone, listen, wait_notified
from infra.pulse import TURN_S, Pulse
from infra.world import WORLD_ERRORS
from streams.supervised import end_process

STANDBY_S = 2.0
"""How often a task asks for its lock while another process has it."""

_log = logger(__name__)


class Task(Protocol):
    """Something that one process does, over and over."""

    @property
    def channel(self) -> LiteralString | None:
        """The Postgres channel whose notifications wake it, if any."""
        ...

    @property
    def interval_s(self) -> float:
        """The longest pause between two turns."""
        ...

    def step(self, conn: Connection) -> bool:
        """Take one turn on the connection that holds the lock; return whether to go on at once.

        What it changes, it changes on `conn`: when the lock is lost, so is the connection.
        """
        ...


class TaskThread(threading.Thread):
    """Runs a task while it holds the task's lock, until told to stop.

    An error of the world begins anew; any other ends the process, whose supervisor starts it
    again. Its pulse beats with every turn, and while it waits for the world or for its lock.
    """

    def __init__(self, task: Task, lock: Alone, url: str, *, pulse: Pulse | None = None) -> None:
        """Prepare it; a task whose turns may be long beats a `pulse` of its own in them."""
        super().__init__(name=lock.name.lower(), daemon=True)
        self.pulse = pulse or Pulse(self.name, within_s=TURN_S)
        self._task = task
        self._lock = lock
        self._url = url
        self._stopping = threading.Event()
        self._waits = metrics.WORLD_WAITS.labels(self.name)

    def stop(self) -> None:
        """Let the turn that runs be the last."""
        self._stopping.set()

    def run(self) -> None:
        """See `threading.Thread`."""
        while not self._stopping.is_set():
            self.pulse.beat(stands_by=self.pulse.stands_by)
            try:
                self._run_alone()
            except WORLD_ERRORS as error:
                _log.warning("waiting_for_the_world", stage=self.name, error=str(error))
                self._waits.inc()
                self._stopping.wait(1.0)
            except Exception:  # noqa: BLE001 - whatever it is, this process cannot go on
                _log.exception("process_ends", stage=self.name)
                end_process()

    def _run_alone(self) -> None:
        with alone(self._url, self._lock) as conn:
            if conn is None:
                self.pulse.beat(stands_by=True)
                self._stopping.wait(STANDBY_S)
                return
            _log.info("task_alone", stage=self.name)
            if self._task.channel:
                listen(conn, self._task.channel)
            while not self._stopping.is_set():
                self.pulse.beat()
                if not self._task.step(conn):
                    self._wait(conn)

    def _wait(self, conn: Connection) -> None:
        if self._task.channel:
            wait_notified(conn, self._task.interval_s, self._stopping)
        else:
            self._stopping.wait(self._task.interval_s)
