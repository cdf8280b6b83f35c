"""Progress of a bulk transfer: one bar for all, and one for each large file under way."""

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_LARGE = 16 * 1024 * 1024


class TransferProgress:
    """Draws on standard error while it is entered; may be told from any thread."""

    def __init__(self, verb: str, sizes: dict[str, int], *, shown: bool) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._verb = verb
        self._sizes = sizes
        self._ended = 0
        self._all = self._bars.add_task(self._title(), total=sum(sizes.values()))
        self._own: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def moved(self, name: str, count: int) -> None:
        """Note that a file is `count` bytes further, or back when negative."""
        self._bars.advance(self._all, count)
        size = self._sizes[name]
        if size > _LARGE:
            with self._lock:
                if name not in self._own:
                    self._own[name] = self._bars.add_task(escape(printable(name)), total=size)
            self._bars.advance(self._own[name], count)

    def ended(self, name: str) -> None:
        """Note that nothing more will come of a file."""
        self._ended += 1
        self._bars.update(self._all, description=self._title())
        with self._lock:
            if name in self._own:
                self._bars.remove_task(self._own.pop(name))

    def _title(self) -> str:
        return f"{self._verb} {self._ended}/{len(self._sizes)}"


def printable(name: str) -> str:
    """Return a file's name so that any terminal can be given it."""
    return name.encode("utf-8", "replace").decode("utf-8")
