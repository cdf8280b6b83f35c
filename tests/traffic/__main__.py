"""Play labelled traffic and print what each rule found, as Markdown: `python -m tests.traffic`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Annotated

import psycopg
import structlog
import typer

from domain.admission.rules import RULES
from domain.admission.rules.ladder import Mode
from infra.stack import open_stack
from infra.stack.isolation import make_template, own_database
from tests.traffic.parts import scenarios
from tests.traffic.play import Outcome, play


def main(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each scenario.")] = 5,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 1,
    turn: Annotated[
        int, typer.Option(min=1, max=30, help="Seconds of event time between two judgements.")
    ] = 1,
) -> None:
    """Play every scenario with some seeds, each seed on a database of its own.

    Prints a row for each rule. Exit code 1 when misuse was found late or not at all, or
    somebody honest was.
    """
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    outcomes: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stack(Path(folder), durable=False) as stack,
    ):
        template = make_template(stack.settings())
        for seed in range(first, first + seeds):
            with (
                own_database(stack.settings(), template) as database,
                psycopg.connect(database.app_url, autocommit=True) as conn,
            ):
                outcomes += play(conn, scenarios([seed]), turn=timedelta(seconds=turn))
            typer.echo(f"seed {seed}: played", err=True)
    typer.echo("\n".join(table(outcomes)))
    wrong = [outcome for outcome in outcomes if not outcome.right]
    for outcome in wrong:
        typer.echo(f"wrong: {outcome.scenario.name}: {outcome.found}", err=True)
    raise typer.Exit(1 if wrong else 0)


def table(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """Yield the lines of a table with a row for each rule."""
    honest = [outcome for outcome in outcomes if outcome.scenario.abuse is None]
    yield (
        "| rule | misuse found | after crossing: median, worst | after beginning: quickest,"
        f" slowest | honest of {len(honest)} found in shadow, enforced |"
    )
    yield "|---|---|---|---|---|"
    for rule in RULES:
        mine = [o for o in outcomes if o.scenario.abuse and o.scenario.abuse.rule == rule]
        after_crossing, after_beginning = [], []
        for outcome in mine:
            if outcome.hit is not None and outcome.scenario.abuse is not None:
                abuse = outcome.scenario.abuse
                after_crossing.append((outcome.hit.at - abuse.crosses).total_seconds())
                after_beginning.append((outcome.hit.at - abuse.begins).total_seconds() / 60)
        wrongly = {
            mode: sum(
                any(found.rule == rule and found.mode is mode for found in outcome.found)
                for outcome in honest
            )
            for mode in (Mode.SHADOW, Mode.ENFORCED)
        }
        crossing = (
            f"{median(after_crossing):.0f} s, {max(after_crossing):.0f} s"
            if after_crossing
            else "–"
        )
        beginning = (
            f"{min(after_beginning):.1f} min, {max(after_beginning):.1f} min"
            if after_beginning
            else "–"
        )
        yield (
            f"| `{rule}` | {len(after_crossing)} of {len(mine)} | {crossing} | {beginning} |"
            f" {wrongly[Mode.SHADOW]}, {wrongly[Mode.ENFORCED]} |"
        )


if __name__ == "__main__":
    typer.run(main)
