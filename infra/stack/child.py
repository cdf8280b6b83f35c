"""Child processes with a log file and an identity that outlives their parent's memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_LAUNCHER: Final = Path(__file__).with_name("launch.py")
_LOG_LIMIT_BYTES: Final = 64 * 1024 * 1024
_SAME_START_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process as a file can remember it: a pid alone may belong to a stranger later."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of the process `pid`, or None when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if this very process still runs; otherwise do nothing."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait_gone(self, timeout_s: float) -> bool:
        """Wait until the process is gone; return False when it still runs after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `as_user` needs root; `inside` is a prefix such as unshare."""

    arguments: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    inside: tuple[str, ...] = ()
    as_user: int | None = None


class Child:
    """One running child process, in a session of its own.

    On Linux it dies with the *thread* that started it, so start it from one that lives as
    long as it should. Its output is appended to `log`.
    """

    def __init__(self, process: subprocess.Popen[bytes], started: float) -> None:
        self._process = process
        self.identity: Final = Identity(process.pid, started)

    @classmethod
    def start(
        cls, command: Command, log: Path, *, death_signal: signal.Signals = signal.SIGKILL
    ) -> "Child":
        """Start `command`. Raises `OSError` when it cannot be run at all."""
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".1.log"))
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - commands are made by this package
                [*command.inside, *launcher(death_signal, command.as_user), *command.arguments],
                cwd=command.cwd,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            started = psutil.Process(process.pid).create_time()
        except psutil.NoSuchProcess:
            started = time.time()
        return cls(process, started)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.identity.pid

    def exit_code(self) -> int | None:
        """Return how it ended (negative: by that signal), or None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it at once, as a crash would, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, number: signal.Signals, timeout_s: float) -> bool:
        """Ask it to end by `number`; kill it after `timeout_s`. Whatever it left dies too.

        Returns whether it ended by itself.
        """
        by_itself = True
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                by_itself = False
                self.kill()
        self.sweep()
        return by_itself

    def sweep(self) -> None:
        """Kill what is left of its session after it has ended."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def launcher(death_signal: signal.Signals, user: int | None = None) -> Sequence[str]:
    """Return the prefix that makes a command die with this process, and run as `user`."""
    return (
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCHER),
        str(int(death_signal)),
        str(os.getpid()),
        "-" if user is None else str(user),
    )


def last_lines(log: Path, count: int = 15) -> str:
    """Return the last lines of a log file, or an empty text when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 16_384))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-count:])
