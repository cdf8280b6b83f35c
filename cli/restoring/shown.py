"""How restoring looks on a terminal: two bars while it goes on, a summary at its end."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from cli.bulk.progress import printable
from cli.restoring.advice import advice_for
from cli.restoring.files import Item
from cli.restoring.outcomes import Failed, LargeEnough, Left, Outcome, Skipped, Written

_SHOWN = 50


class Bars:
    """Files, and the tiles of the one at work; drawn on standard error while it is entered.

    Where that is no terminal, each result is told in a line instead.
    """

    def __init__(self, files: int, *, shown: bool) -> None:
        console = Console(stderr=True)
        self._in_lines = shown and not console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._files = self._bars.add_task("files", total=files)
        self._tiles = self._bars.add_task("", total=None)

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

    def began(self, item: Item) -> None:
        """Show that a file's turn has come."""
        name = escape(printable(item.path.name))
        self._bars.reset(self._tiles, description=name, total=None)

    def tile(self, done: int, total: int) -> None:
        """Show how many of its tiles are done."""
        self._bars.update(self._tiles, completed=done, total=total)

    def ended(self, outcome: Outcome) -> None:
        """Show that a file is done with, and at once what failed."""
        self._bars.advance(self._files)
        if isinstance(outcome, Failed):
            advice = advice_for(outcome.code)
            reason = outcome.reason if advice is None else f"{outcome.reason}; {advice}"
            self._tell(f"{printable(str(outcome.source))}: {reason}", style="red")
        elif isinstance(outcome, Written) and self._in_lines:
            names = f"{printable(str(outcome.source))} -> {printable(str(outcome.target))}"
            self._tell(f"{names} ({outcome.seconds:.1f} s)")

    def _tell(self, line: str, *, style: str = "") -> None:
        # Not wrapped: in a log, a line is a file.
        self._bars.console.print(Text(line, style=style), soft_wrap=True)


def show_summary(outcomes: list[Outcome], console: Console) -> None:
    """Print how many were restored, skipped, stopped and failed, and which warnings there are."""
    written = [each for each in outcomes if isinstance(each, Written)]
    counts = (
        (len(written), "restored"),
        (_count(outcomes, Skipped), "skipped: there is a result (--overwrite makes it anew)"),
        (_count(outcomes, LargeEnough), "as large already, and left out"),
        (_count(outcomes, Failed), "failed"),
        (_count(outcomes, Left), "stopped"),
    )
    console.print(", ".join(f"{count} {what}" for count, what in counts if count) or "nothing")
    warned = [each for each in written if each.warnings]
    if warned:
        table = Table(Column("file", overflow="fold"), "warnings", title="", show_edge=False)
        for each in warned[:_SHOWN]:
            table.add_row(Text(printable(str(each.source))), Text(", ".join(each.warnings)))
        console.print(table)
        if len(warned) > _SHOWN:
            console.print(f"… and {len(warned) - _SHOWN} more; --json names them all")


def _count(outcomes: list[Outcome], kind: type) -> int:
    return sum(isinstance(each, kind) for each in outcomes)
