"""`python -m tests.e2e.chaos`: a long storm on a system of its own; exits with 1 on findings."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.stack import running
from infra.stack.supervisor import Change, Event
from tests.e2e.beside import one_more
from tests.e2e.chaos.report import show
from tests.e2e.chaos.schedule import brief, full
from tests.e2e.chaos.storm import STRIKES_AT_ONCE, Report, Told, storm


def main(
    *,
    seed: Annotated[int | None, typer.Option(help="Of the schedule; a random one if none.")] = None,
    jobs: Annotated[int, typer.Option(help="How many jobs are sent.", min=100)] = 3000,
    rounds: Annotated[int, typer.Option(help="How often every fault strikes.", min=1)] = 1,
    data_dir: Annotated[
        Path | None, typer.Option(help="Kept for a look at its logs; else removed at the end.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="The schedule of the test, one process of each.")
    ] = False,
) -> None:
    """Strike a running system with every fault, and look whether anything is wrong then.

    Two streams and two worker processes share the work, of which one is struck. Ends with 0
    when nothing was wrong, 1 with findings.
    """
    seed = SystemRandom().randrange(1_000_000) if seed is None else seed
    console = Console()
    # The clients of a server that is away have much to say.
    logging.disable(logging.ERROR)
    with ExitStack() as ending:
        place = data_dir or Path(ending.enter_context(tempfile.TemporaryDirectory()))
        console.print(f"seed {seed}, {jobs} jobs; logs in {place / 'logs'}")
        report = _weather(console, place, seed=seed, jobs=jobs, rounds=rounds, short=short)
    show(report, console)
    raise typer.Exit(1 if report.findings else 0)


def _weather(
    console: Console, place: Path, *, seed: int, jobs: int, rounds: int, short: bool
) -> Report:
    def on_event(event: Event) -> None:
        if event.change in (Change.DIED, Change.STUCK, Change.SLOW):
            console.print(f"          {event.program} {event.change}: {event.detail}", style="dim")

    with (
        ThreadPoolExecutor(STRIKES_AT_ONCE) as hands,
        running(place, durable=False, report=console.print, on_event=on_event) as system,
        ExitStack() as companions,
        _progress(console) as progress,
    ):
        if not short:
            for module in ("streams", "processors.worker"):
                companions.enter_context(one_more(system, module, place))
        task = progress.add_task("sent", total=jobs)

        def tell(now: Told) -> None:
            progress.console.print(now.text, highlight=False)
            progress.update(task, completed=now.sent)

        schedule = brief(seed, jobs) if short else full(seed, jobs, rounds=rounds)
        return storm(system, schedule, seed=seed, jobs=jobs, hands=hands, tell=tell)


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("jobs sent"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


if __name__ == "__main__":
    typer.run(main)
