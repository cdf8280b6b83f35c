"""Keeps programs running: starts them, sees when they are ready, restarts what dies."""

import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from infra import ready
from infra.stack.child import Child, Command, Identity, last_lines
from infra.stack.errors import StackError
from infra.stack.programs import Program, ready_file

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 10.0
STEADY_S: Final = 20.0
"""What was ready for so long is started at once when it dies, as if it had never died before."""


class State(StrEnum):
    """Where a program stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


class Change(StrEnum):
    """What happened to a program."""

    STARTED = "started"
    READY = "ready"
    DIED = "died"
    STUCK = "stuck"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person watching would want to know; `detail` is a short text."""

    program: str
    change: Change
    detail: str = ""


class Watch(Protocol):
    """Says which programs run and yet do not work."""

    def take_failure(self, name: str) -> str | None:
        """Return why the program must be replaced, if so; saying it begins its time anew."""
        ...

    def forget(self, name: str) -> None:
        """Begin the program's time anew."""
        ...


@dataclass(slots=True)
class _Record:
    program: Program
    log: Path
    ready_file: Path
    state: State = State.WAITING
    child: Child | None = None
    since: float = 0.0
    next_start: float = 0.0
    failures: int = 0
    starts: int = 0


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """A program as it is now. `starts` counts how often it was started."""

    name: str
    state: State
    identity: Identity | None
    starts: int
    failures: int
    log: Path


class Supervisor:
    """Runs programs with one environment, and a log file each, until `close`.

    Driven by calling `step` with a monotonic time, a few times a second, always from one
    thread: the children die with that thread. The other methods may be called from any.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        data_dir: Path,
        watch: Watch | None = None,
        answers: Callable[[str], bool] | None = None,
    ) -> None:
        # Each program takes a free port for its monitor: one port cannot serve them all.
        self._environment = {**os.environ, **environment, "PICMEND_MONITOR_PORT": "0"}
        self._watch = watch
        self._answers = answers or answers_ok
        self._lock = threading.RLock()
        self._failure: Exception | None = None
        # Not the caller's folder, in which something else may be called `api`.
        self._cwd = runtime = data_dir / "run"
        runtime.mkdir(parents=True, exist_ok=True)
        self._records = {
            program.name: _Record(
                program=program,
                log=data_dir / "logs" / f"{program.name}.log",
                ready_file=ready_file(data_dir, program.name),
            )
            for program in programs
        }

    def step(self, now: float) -> tuple[Event, ...]:
        """Look at every program once and do what is due; return what changed."""
        events: list[Event] = []
        with self._lock:
            for record in self._records.values():
                events.extend(self._look_at(record, now))
        return tuple(events)

    def status(self) -> tuple[ProgramStatus, ...]:
        """Return every program's state, in the order they were given."""
        with self._lock:
            return tuple(
                ProgramStatus(
                    name=name,
                    state=record.state,
                    identity=record.child.identity if record.child else None,
                    starts=record.starts,
                    failures=record.failures,
                    log=record.log,
                )
                for name, record in self._records.items()
            )

    def all_ready(self) -> bool:
        """Whether every program is ready."""
        return all(program.state is State.READY for program in self.status())

    def start(self, name: str) -> None:
        """Let `step` start a program that waits or was stopped, at once."""
        with self._lock:
            record = self._records[name]
            if record.child is None:
                record.state, record.next_start, record.failures = State.WAITING, 0.0, 0

    def stop(self, name: str) -> None:
        """End a program in order; it stays ended until `start`."""
        with self._lock:
            record = self._records[name]
            if record.child is not None:
                record.child.stop(signal.SIGTERM, record.program.stop_timeout_s)
            record.child, record.state = None, State.STOPPED

    def kill(self, name: str, *, hold: bool = False) -> None:
        """End a program as `kill -9` does. It is started again, unless `hold`."""
        with self._lock:
            record = self._records[name]
            if record.child is not None:
                record.child.kill()
                record.child = None
            record.state = State.STOPPED if hold else State.WAITING
            record.next_start = 0.0

    def fail(self, error: Exception) -> None:
        """Note that nobody calls `step` any more, and why; `check` says so."""
        self._failure = error

    def check(self) -> None:
        """Raise `StackError` when supervision has ended by an error of its own."""
        if self._failure is not None:
            raise StackError(
                f"supervision has ended, and what it ran with it: {self._failure!r}; start the "
                "stack again"
            ) from self._failure

    def close(self) -> None:
        """End every program: all are asked at once, then each is waited for."""
        with self._lock:
            running = [r for r in self._records.values() if r.child is not None]
            for record in running:
                if record.child is not None:
                    record.child.identity.signal(signal.SIGTERM)
            for record in running:
                self.stop(record.program.name)

    def _look_at(self, record: _Record, now: float) -> list[Event]:
        name = record.program.name
        if record.child is None:
            if record.state is not State.WAITING or now < record.next_start:
                return []
            self._spawn(record, now)
            return [Event(name, Change.STARTED, f"pid {record.child.pid if record.child else 0}")]
        code = record.child.exit_code()
        if code is not None:
            return [self._died(record, now, Change.DIED, f"code {code}")]
        if record.state is State.STARTING:
            if self._is_ready(record):
                record.state, record.since = State.READY, now
                if self._watch is not None:
                    self._watch.forget(name)
                return [Event(name, Change.READY)]
            if now - record.since > record.program.start_timeout_s:
                record.child.kill()
                return [self._died(record, now, Change.SLOW, "not ready in time")]
        elif self._watch is not None and (failure := self._watch.take_failure(name)) is not None:
            record.child.kill()
            return [self._died(record, now, Change.STUCK, failure)]
        elif now - record.since > STEADY_S:
            record.failures = 0
        return []

    def _spawn(self, record: _Record, now: float) -> None:
        record.ready_file.unlink(missing_ok=True)
        record.child = Child.start(
            Command(
                arguments=record.program.command,
                cwd=self._cwd,
                environment={
                    **self._environment,
                    **record.program.environment,
                    ready.VARIABLE: str(record.ready_file),
                },
            ),
            record.log,
        )
        record.state, record.since = State.STARTING, now
        record.starts += 1

    def _is_ready(self, record: _Record) -> bool:
        url = record.program.ready_url
        return record.ready_file.exists() if url is None else self._answers(url)

    def _died(self, record: _Record, now: float, change: Change, detail: str) -> Event:
        if record.child is not None:
            record.child.sweep()
        # What worked until now comes back at once; only what dies again and again waits.
        at_once = record.state is State.READY and record.failures == 0
        wait = 0.0 if at_once else min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**record.failures)
        record.child, record.state = None, State.WAITING
        record.failures += 1
        record.next_start = now + wait
        again = f"in {wait:g} s" if wait else "at once"
        return Event(record.program.name, change, f"{detail}; started again {again}")

    def log_tail(self, name: str) -> str:
        """Return the last lines of a program's log."""
        return last_lines(self._records[name].log)


def answers_ok(url: str) -> bool:
    """Whether `url` answers 200 within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
