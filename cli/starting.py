"""Starting a stack from a terminal: what is shown, what a signal does, how it is detached."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from infra.stack import state
from infra.stack.child import last_lines
from infra.stack.errors import StackError
from infra.stack.leftovers import end_leftovers
from infra.stack.supervisor import Change, Event

_POLL_S = 0.05
_CHECK_S = 1.0


class Progress:
    """Shows each step with its seconds, and afterwards what happens to processes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._current: TaskID | None = None
        self._settled = False

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.settle()
        self._bars.stop()

    def step(self, text: str) -> None:
        """Tick off the step before and show the next one."""
        self._tick()
        self._current = self._bars.add_task(text, total=1)

    def settle(self) -> None:
        """Tick off the last step and end the display."""
        self._tick()
        self._settled = True
        self._bars.stop()

    def event(self, event: Event) -> None:
        """Tell of a process that died; once settled, of any change of one."""
        if self._settled or event.change not in {Change.STARTED, Change.READY}:
            self._console.print(f"{event.program}: {event.change} {event.detail}")

    def _tick(self) -> None:
        if self._current is not None:
            self._bars.update(self._current, completed=1)
            self._current = None


class _EndedBySignal(BaseException):
    """Unwinds everything that was started; not an error."""


@contextmanager
def until_ended() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Give a function that waits for Ctrl-C or SIGTERM; either ends the block, whenever it comes.

    What the function is given to call now and then may raise, and so end the wait too. A second
    signal changes nothing: what is being ended is ended in order.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        if not waiting.is_set():
            raise _EndedBySignal
        waiting.clear()
        ended.set()

    waiting, ended = threading.Event(), threading.Event()

    def wait(check: Callable[[], None]) -> None:
        waiting.set()
        while not ended.wait(_CHECK_S):
            check()

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wait
    except _EndedBySignal:
        return
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def detached(data_dir: Path, options: tuple[str, ...], progress: Progress) -> None:
    """Start `picmend up` on its own and return once its stack runs.

    Raises `StackError` with the end of its log when it ends before that. Ctrl-C here ends it.
    """
    end_leftovers(data_dir)
    log = data_dir / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "cli.main", "up", "--data-dir", str(data_dir), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    shown = ""
    try:
        while True:
            found = state.read(data_dir)
            if found is not None and found.supervisor.pid == process.pid:
                if found.phase is state.Phase.RUNNING:
                    return
                if found.step != shown:
                    shown = found.step
                    progress.step(shown)
            if process.poll() is not None:
                raise StackError(f"the stack did not start:\n{last_lines(log, 40)}")
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
