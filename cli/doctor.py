"""`picmend doctor`: what this machine lacks, and how to mend it."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.checks import Check, installed_checks, machine_checks, stack_checks, weight_checks
from cli.context import EXIT_FAILED, EXIT_NO_STACK, data_dir_of, fail, load_environment
from infra.kafka_lag import STREAMS, WORKERS
from infra.stack import overview
from infra.stack.errors import StackError
from infra.stack.liveness import PATIENCE_S, StandstillJudge
from infra.stack.stack import settings_of

_GROUPS = {"streams": STREAMS, "worker": WORKERS}
_LOOK_EVERY_S = 1.0


def doctor(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to check.")] = None,
    process: Annotated[
        str | None,
        typer.Option(help="Check only that this process (streams, worker) moves while it lags."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check Python, disk, memory, ports, servers and weights, and say how to mend what fails.

    Exit code 0 when nothing fails, 1 when something does, 3 when --process finds no stack.
    """
    checks = (
        (_moves(process, data_dir),)
        if process is not None
        else (
            *machine_checks(data_dir_of(data_dir)),
            *installed_checks(),
            *weight_checks(),
            *stack_checks(data_dir_of(data_dir)),
        )
    )
    failed = [check for check in checks if not check.ok]
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}))
    else:
        table = Table("check", "", "found", "how to mend it")
        for check in checks:
            mark = "[green]ok[/green]" if check.ok else "[red]fails[/red]"
            table.add_row(check.name, mark, check.found, "" if check.ok else check.mend)
        Console().print(table)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _moves(process: str, data_dir: Path | None) -> Check:
    group = _GROUPS.get(process)
    if group is None:
        raise typer.BadParameter(f"{process!r} is not one of {', '.join(_GROUPS)}")
    try:
        settings = settings_of(load_environment(data_dir))
        judges = {topic: StandstillJudge() for topic in group.topics}
        deadline = time.monotonic() + PATIENCE_S + 2 * _LOOK_EVERY_S
        while time.monotonic() < deadline:
            seen = {p.topic: p for p in overview.lag(settings) if p.group == group.name}
            if not any(progress.lag for progress in seen.values()):
                return Check(process, ok=True, found="nothing waits for it")
            now = time.monotonic()
            still = [topic for topic, judge in judges.items() if judge.observe(now, seen[topic])]
            if still:
                return Check(
                    process,
                    ok=False,
                    found=f"no commit for {PATIENCE_S:.0f} s on {', '.join(still)}, with lag",
                    mend=f"end it; it is started again. Its log is logs/{process}.log",
                )
            if any(judge.has_moved for judge in judges.values()):
                return Check(process, ok=True, found="its commits move")
            time.sleep(_LOOK_EVERY_S)
    except StackError as error:
        fail(str(error), EXIT_NO_STACK)
    return Check(process, ok=True, found="its servers do not answer long enough to tell")
