"""A stack with picmend's processes on it, supervised in the background."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from infra.settings import Settings
from infra.stack.assembly import Report
from infra.stack.errors import ProgramFailedError
from infra.stack.journal import Journal
from infra.stack.leftovers import end_leftovers
from infra.stack.liveness import LivenessWatch
from infra.stack.looks import Target, monitor_of
from infra.stack.ports import require_free
from infra.stack.programs import PROGRAM_NAMES, Program, programs
from infra.stack.provide import open_stack
from infra.stack.server import Server
from infra.stack.stack import Stack
from infra.stack.supervisor import Event, ProgramStatus, State, Supervisor

_STEP_S: Final = 0.1
_GIVE_UP_AFTER: Final = 3

OnEvent = Callable[[Event], None]
"""Told each change of a program, in the supervising thread."""


class ProcessHandle:
    """One of picmend's processes, to be killed, stopped and started by a test."""

    def __init__(self, name: str, supervisor: Supervisor) -> None:
        self.name: Final = name
        self._supervisor = supervisor

    def status(self) -> ProgramStatus:
        """Return how it stands now."""
        return next(s for s in self._supervisor.status() if s.name == self.name)

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it does not run."""
        identity = self.status().identity
        return identity.pid if identity else None

    @property
    def log(self) -> Path:
        """The file that takes its output."""
        return self.status().log

    def kill(self, *, hold: bool = False) -> None:
        """`kill -9`. The supervisor starts it again, unless `hold`."""
        self._supervisor.kill(self.name, hold=hold)

    def stop(self) -> None:
        """End it in order by SIGTERM; it stays ended until `start`."""
        self._supervisor.stop(self.name)

    def start(self) -> None:
        """Let it run again; `wait_ready` waits for it."""
        self._supervisor.start(self.name)

    def restart(self, timeout_s: float = 120.0) -> None:
        """Stop it in order, start it again and wait until it is ready."""
        self.stop()
        self.start()
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = 120.0) -> None:
        """Wait until it is ready. Raises `ProgramFailedError` with its last log lines."""
        deadline = time.monotonic() + timeout_s
        while self.status().state is not State.READY:
            self._supervisor.check()
            if time.monotonic() > deadline:
                raise ProgramFailedError(
                    f"{self.name} is not ready after {timeout_s:.0f} s. Last lines of "
                    f"{self.log}:\n{self._supervisor.log_tail(self.name)}"
                )
            time.sleep(0.02)


class Running:
    """A stack and the processes on it."""

    def __init__(self, stack: Stack, supervisor: Supervisor) -> None:
        self.stack: Final = stack
        self.supervisor: Final = supervisor

    @property
    def environment(self) -> Mapping[str, str]:
        """Every `PICMEND_*` variable a client or another process needs."""
        return self.stack.environment

    def settings(self) -> Settings:
        """Return the settings of a process that uses this stack."""
        return self.stack.settings()

    @property
    def api_url(self) -> str:
        """The API's address."""
        settings = self.settings()
        return f"http://{settings.api_host}:{settings.api_port}"

    def process(self, name: str) -> ProcessHandle:
        """Return one process. Raises `KeyError` when it is not part of this stack."""
        if name not in {status.name for status in self.supervisor.status()}:
            raise KeyError(f"no process {name} here")
        return ProcessHandle(name, self.supervisor)

    def server(self, name: str) -> Server:
        """Return the server `kafka`, `postgres` or `store`. Raises `KeyError`."""
        return self.stack.server(name)


@contextmanager
def running(
    data_dir: Path,
    *,
    processes: Sequence[str] = PROGRAM_NAMES,
    env: Mapping[str, str] | None = None,
    notifications: bool = True,
    durable: bool = True,
    report: Report | None = None,
    on_event: OnEvent | None = None,
) -> Iterator[Running]:
    """Give a stack with these processes ready on it, for as long as the context lasts.

    `env` is added to the environment of picmend's processes. While it lasts, `stack.json` in
    `data_dir` tells other commands of it. What an earlier stack on `data_dir` left behind when
    it was killed is ended first.

    Raises `StackError`: the servers' errors, `AlreadyRunningError`, or `ProgramFailedError`
    when a process has died three times before it was ever ready. Nothing runs on then.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    end_leftovers(data_dir)
    tell = report or (lambda _: None)
    with ExitStack() as ending:
        journal = Journal(data_dir)

        def step(text: str) -> None:
            journal.step(text)
            tell(text)

        ending.callback(journal.close)
        stack = ending.enter_context(
            open_stack(data_dir, notifications=notifications, durable=durable, report=step)
        )
        journal.stack = Stack(stack.provider, {**stack.environment, **(env or {})}, stack.servers)
        settings = journal.stack.settings()
        table = programs(tuple(processes), api_host=settings.api_host, api_port=settings.api_port)
        if table:
            step(f"starting {', '.join(processes)}")
        if "api" in processes:
            require_free("api", [settings.api_port])
        supervisor = ending.enter_context(
            supervised(
                table,
                stack=journal.stack,
                data_dir=data_dir,
                on_event=on_event,
                on_turn=journal.note,
            )
        )
        wait_all_ready(supervisor)
        journal.running(supervisor)
        yield Running(journal.stack, supervisor)


@contextmanager
def supervised(
    table: Sequence[Program],
    *,
    stack: Stack,
    data_dir: Path,
    on_event: OnEvent | None = None,
    on_turn: Callable[[Supervisor], None] | None = None,
) -> Iterator[Supervisor]:
    """Supervise programs on a stack in a background thread, and end them with the context."""
    watch = LivenessWatch(
        stack.settings(),
        [
            Target(program.name, partial(monitor_of, data_dir, program.name), program.group)
            for program in table
        ],
    )
    supervisor = Supervisor(table, environment=stack.environment, data_dir=data_dir, watch=watch)
    ended = threading.Event()

    def turn() -> None:
        while not ended.wait(_STEP_S):
            for event in supervisor.step(time.monotonic()):
                if on_event is not None:
                    on_event(event)
            if on_turn is not None:
                on_turn(supervisor)

    def supervise() -> None:
        # The programs die with this thread, so whatever ends it must be told, not lost.
        try:
            turn()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits, by check()
            supervisor.fail(error)
        finally:
            supervisor.close()

    thread = threading.Thread(target=supervise, name="supervisor", daemon=True)
    thread.start()
    if table:
        watch.start()
    try:
        yield supervisor
    finally:
        watch.close()
        ended.set()
        thread.join()


def wait_all_ready(supervisor: Supervisor) -> None:
    """Wait until every program is ready.

    Raises `ProgramFailedError` when one has died three times without getting there.
    """
    while not supervisor.all_ready():
        supervisor.check()
        for program in supervisor.status():
            if program.failures >= _GIVE_UP_AFTER:
                raise ProgramFailedError(
                    f"{program.name} ended {program.failures} times before it was ready. Last "
                    f"lines of {program.log}:\n{supervisor.log_tail(program.name)}"
                )
        time.sleep(0.05)
