"""Play many seeds and tell of the first that finds something: `python -m tests.simulation`."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.stack import open_stack
from tests.simulation.mutants import MUTANTS
from tests.simulation.runner import Runner, runner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.play import Outcome

_SHOWN = 60


def main(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to play.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Seeds played at once; one per core.")
    ] = None,
    mutant: Annotated[
        int | None,
        typer.Option(max=len(MUTANTS) - 1, help="Play a build that is broken on purpose."),
    ] = None,
    lines: Annotated[int, typer.Option(help="Lines of a failing seed's trace to print.")] = _SHOWN,
) -> None:
    """Play seeds through the pipeline's own code, on a real Postgres, with faults.

    Prints how many faults of which kind were injected. The first seed that finds something is
    played again, and its trace printed; `--first SEED --seeds 1` plays it once more. Exit code
    1 when there is one.
    """
    console = Console()
    if mutant is not None:
        console.print(f"A build of which {MUTANTS[mutant].name}.")
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stack(Path(folder), durable=False) as stack,
        runner(stack.settings(), processes=processes) as running,
    ):
        faults: Counter[str] = Counter()
        jobs: Counter[str] = Counter()
        found = None
        for outcome in _watched(console, running, range(first, first + seeds), mutant):
            faults += outcome.faults
            jobs += outcome.jobs
            if outcome.findings:
                found = outcome
                break
        _tell(console, faults, jobs)
        if found is not None:
            (again,) = running.outcomes([found.seed], mutant=mutant)
            _show(console, found, again, lines)
            raise typer.Exit(1)
        console.print(f"{seeds} seeds from {first} on: nothing found.")


def _watched(
    console: Console, running: Runner, seeds: range, mutant: int | None
) -> Iterable[Outcome]:
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(running.outcomes(seeds, mutant=mutant), total=len(seeds))


def _tell(console: Console, faults: Counter[str], jobs: Counter[str]) -> None:
    table = Table("fault", "injected")
    for kind, count in sorted(faults.items()):
        table.add_row(kind, str(count))
    console.print(table)
    ended = ", ".join(f"{count} {state}" for state, count in sorted(jobs.items()))
    console.print(f"{faults.total()} faults, {jobs.total()} jobs: {ended}.")


def _show(console: Console, found: Outcome, again: Outcome, lines: int) -> None:
    same = "the same" if again.digest == found.digest else "ANOTHER RUN: a seed must decide all"
    console.rule(f"seed {found.seed}; played again: {same}")
    for line in found.trace[-lines:]:
        console.print(line, markup=False, highlight=False)
    console.rule("findings")
    for finding in found.findings:
        console.print(finding, markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
