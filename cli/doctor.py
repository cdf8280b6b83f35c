"""`picmend doctor`: what this machine lacks, and how to mend it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.checks import (
    Check,
    installed_checks,
    machine_checks,
    stack_checks,
    supplied_checks,
    weight_checks,
)
from cli.context import EXIT_FAILED, EXIT_NO_STACK, data_dir_of, fail
from cli.processes import PROCESS_NAMES, process_checks
from infra.stack.errors import StackError
from processors.models.files import SETTING


def doctor(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to check.")] = None,
    process: Annotated[
        str | None,
        typer.Option(help=f"Check only that this works: {', '.join(PROCESS_NAMES)}."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(envvar=SETTING, help="Folder of weights that you supply."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check Python, disk, memory, ports, servers and weights, and say how to mend what fails.

    A model that you may supply and did not is no failure; one that is not what was tested is.

    Exit code 0 when nothing fails, 1 when something does, 3 when --process finds no stack.
    """
    checks = (
        _of_process(process, data_dir)
        if process is not None
        else (
            *machine_checks(data_dir_of(data_dir)),
            *installed_checks(),
            *weight_checks(),
            *supplied_checks(models),
            *stack_checks(data_dir_of(data_dir)),
        )
    )
    failed = [check for check in checks if not check.ok]
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}))
    else:
        table = Table(
            "check",
            "",
            Column("found", overflow="fold"),
            Column("how to mend it", overflow="fold"),
        )
        for check in checks:
            mark = "[green]ok[/green]" if check.ok else "[red]fails[/red]"
            table.add_row(check.name, mark, check.found, "" if check.ok else check.mend)
        Console().print(table)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _of_process(name: str, data_dir: Path | None) -> tuple[Check, ...]:
    if name not in PROCESS_NAMES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(PROCESS_NAMES)}")
    try:
        return process_checks(name, data_dir)
    except StackError as error:
        fail(str(error), EXIT_NO_STACK)
