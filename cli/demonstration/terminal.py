"""What the terminal shows: results as they come, then table, statement and proof."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.demonstration.customer import Arrived, Sent
from cli.demonstration.outcome import Outcome
from cli.demonstration.proof import Proof
from cli.demonstration.results import size_of
from cli.demonstration.samples import Sample
from domain.billing import money
from domain.billing.model import LedgerName, Statement, TransactionKind
from schemas.ids import JobId


class Arrivals:
    """A bar over all uploads, and a line for each as its result or problem comes."""

    def __init__(self, bars: Progress, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task("uploading", total=total)
        self._total = total

    def sent(self) -> None:
        """Note one more upload."""
        self._bars.advance(self._task)

    def wait(self) -> None:
        """Begin to count what comes back."""
        self._bars.reset(self._task, total=self._total, description="restoring")

    def came(self, sent: Sent, arrived: Arrived, seconds: float) -> None:
        """Show what came of an upload, `seconds` after it."""
        sample = sent.sample
        if arrived.is_problem or not isinstance(sample, Sample):
            what, mark = "refused, with the reason in a .problem.json", "[yellow]–[/yellow]"
        else:
            what, mark = f"{_by(sample.size)} → {_by(size_of(arrived.body))}", "[green]✓[/green]"
        line = Text.from_markup(mark)
        line.append(f" {sample.preset:<17} {sample.path}  {what}  {seconds:.1f} s")
        self._bars.console.print(line, soft_wrap=True)
        self._bars.advance(self._task)

    def settle(self) -> None:
        """Show that only the ledger is waited for."""
        self._bars.update(self._task, description="charging")


@contextmanager
def arrivals(console: Console, total: int) -> Iterator[Arrivals]:
    """Draw the bar for as long as the context lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield Arrivals(bars, total)


def show_outcomes(console: Console, found: Sequence[Outcome], unit: str) -> None:
    """Print file, preset, pixels in and out, seconds and price of each upload."""
    table = _table(
        "From upload to charge",
        ("file", "preset"),
        ("in → out, pixels", "seconds", f"price, {unit}"),
    )
    for each in found:
        sample = each.sent.sample
        table.add_row(
            Text(sample.path),
            sample.preset,
            f"{_by(sample.size)} → {_by(each.size)}"
            if isinstance(sample, Sample) and each.size
            else Text(each.code or each.state or "no job", style="yellow"),
            "" if each.seconds is None else f"{each.seconds:.2f}",
            amount(each.price, unit) if each.price else "free",
        )
    console.print(table)


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction of a statement: by how much it changed both ledgers, and what it left."""

    at: datetime
    kind: TransactionKind
    job_id: JobId | None
    available: int
    held: int
    available_after: int
    held_after: int


def movements(statement: Statement) -> tuple[Movement, ...]:
    """Return a statement's entries by transaction, in the order they were recorded."""
    after = {LedgerName.AVAILABLE: 0, LedgerName.HELD: 0}
    moved: dict[int, Movement] = {}
    for line in statement.lines:
        before = moved.get(line.transaction_id)
        after[line.ledger] = line.balance_after
        change = {LedgerName.AVAILABLE: 0, LedgerName.HELD: 0, line.ledger: line.amount}
        moved[line.transaction_id] = Movement(
            at=line.recorded_at,
            kind=line.kind,
            job_id=line.job_id,
            available=change[LedgerName.AVAILABLE] + (before.available if before else 0),
            held=change[LedgerName.HELD] + (before.held if before else 0),
            available_after=after[LedgerName.AVAILABLE],
            held_after=after[LedgerName.HELD],
        )
    return tuple(moved.values())


def show_statement(console: Console, statement: Statement, names: Mapping[JobId, str]) -> None:
    """Print an account's statement, one row a transaction."""
    unit = statement.unit
    table = _table(
        f"Statement of {statement.account_id}, {unit}",
        ("recorded, UTC", "what", "file"),
        ("available", "held", "left"),
    )
    for each in movements(statement):
        table.add_row(
            f"{each.at:%H:%M:%S.%f}"[:-3],
            each.kind,
            Text(names.get(each.job_id, each.job_id) if each.job_id else ""),
            _signed(each.available, unit),
            _signed(each.held, unit),
            amount(each.available_after, unit),
        )
    console.print(table)


def show_proof(console: Console, proof: Proof, faults: Sequence[str], unit: str) -> None:
    """Print what was proven, or all that is missing."""
    jobs = ", ".join(f"{count} {state}" for state, count in proof.jobs.items())
    console.print(
        f"Jobs: {jobs}. Charged: {money.to_text(proof.charged, unit)}. "
        f"Ledger sum: {proof.ledger_sum}."
    )
    if not faults:
        console.print(
            "[green]The ledger balances:[/green] every succeeded job was charged exactly once, "
            "nothing else was charged, no hold is open, and every rule of the ledger holds."
        )
    for fault in faults:
        console.print(Text(f"✗ {fault}", style="red"), soft_wrap=True)


def amount(value: int, unit: str) -> str:
    """Return an amount without its unit, for a column that names it."""
    return money.to_text(value, unit).removesuffix(f" {unit}")


def _table(title: str, texts: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, padding=(0, 0, 0, 1), pad_edge=False
    )
    for heading in texts:
        table.add_column(heading, overflow="fold")
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _signed(value: int, unit: str) -> str:
    return "" if value == 0 else f"{'+' if value > 0 else ''}{amount(value, unit)}"


def _by(size: tuple[int, int] | None) -> str:
    return f"{size[0]}×{size[1]}" if size else "?"
