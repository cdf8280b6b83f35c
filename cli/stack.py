"""`picmend up`, `down` and `status`."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.context import EXIT_FAILED, EXIT_NO_STACK, data_dir_of, fail, load_environment
from cli.starting import Progress, detached, until_ended
from infra.stack import overview, state
from infra.stack.errors import StackError
from infra.stack.leftovers import down as end_stack
from infra.stack.looks import WELL, health_in_words, monitor_of
from infra.stack.programs import PROGRAM_NAMES
from infra.stack.running import running
from infra.stack.stack import settings_of
from infra.stack.supervisor import State

DataDir = Annotated[
    Path | None, typer.Option(help="Where the stack keeps its state.  [default: .picmend]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it runs.")] = False,
    data_dir: DataDir = None,
    reconciler: Annotated[bool, typer.Option(help="List uploads to find lost events.")] = True,
    notifications: Annotated[bool, typer.Option(help="Let the store announce uploads.")] = True,
    processes: Annotated[
        str, typer.Option(help="Which of picmend's processes; empty for the servers alone.")
    ] = ",".join(PROGRAM_NAMES),
    as_json: AsJson = False,
) -> None:
    """Start Kafka, Postgres, the object store and every picmend process, and keep them running.

    Ctrl-C, SIGTERM and `picmend down` end all of it. Logs are files under the data directory.
    Uses servers of your own when PICMEND_KAFKA_BOOTSTRAP, PICMEND_DATABASE_URL and
    PICMEND_S3_ENDPOINT are set, and containers with PICMEND_STACK=docker.
    """
    names = tuple(name for name in processes.split(",") if name)
    unknown = set(names) - set(PROGRAM_NAMES)
    if unknown:
        raise typer.BadParameter(f"no such process: {', '.join(sorted(unknown))}")
    place = data_dir_of(data_dir).resolve()
    started = time.monotonic()
    console = Console(stderr=as_json)
    try:
        if detach:
            options = (
                *("--processes", processes),
                *(() if reconciler else ("--no-reconciler",)),
                *(() if notifications else ("--no-notifications",)),
            )
            with Progress(console) as progress:
                detached(place, options, progress)
            _announce(place, started, console, as_json=as_json)
            return
        with until_ended() as wait, Progress(console) as progress:
            env = {} if reconciler else {"PICMEND_RECONCILER_ENABLED": "false"}
            with running(
                place,
                processes=names,
                env=env,
                notifications=notifications,
                report=progress.step,
                on_event=progress.event,
            ) as everything:
                progress.settle()
                _announce(place, started, console, as_json=as_json)
                wait(everything.supervisor.check)
                console.print("ending everything that was started ...")
            console.print("ended")
    except StackError as error:
        fail(str(error))


def down(
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End the stack of a data directory, and exactly the processes it started."""
    place = data_dir_of(data_dir)
    try:
        ended = end_stack(place)
    except StackError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps({"was_running": ended.was_running, "killed": ended.killed}))
    elif ended.was_running or ended.killed:
        typer.echo(f"ended; {ended.killed} processes had to be killed")
    else:
        typer.echo(f"no stack runs on {place}")


def status(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show servers, processes, addresses, lag per consumer group and jobs per state.

    Exit code 0 when all is well, 1 when something does not answer, 3 when no stack runs.
    """
    try:
        settings = settings_of(load_environment(data_dir))
    except StackError as error:
        if as_json:
            typer.echo(json.dumps({"running": False, "problems": [str(error)]}))
            raise typer.Exit(EXIT_NO_STACK) from error
        fail(str(error), EXIT_NO_STACK)
    found = state.read(data_dir_of(data_dir))
    servers = overview.answers(settings, ("kafka", "postgres", "store"))
    processes = found.processes if found is not None else ()
    healths = {p.name: health_in_words(data_dir_of(data_dir), p.name) for p in processes}
    problems = [f"{s.server} at {s.address} does not answer" for s in servers if not s.answers]
    problems += [f"{p.name} is {p.state}" for p in processes if p.state != State.READY]
    problems += [
        f"{p.name} {healths[p.name]}"
        for p in processes
        if p.state == State.READY and healths[p.name] != WELL
    ]
    lag, jobs = [], {}
    try:
        lag = [
            {"group": p.group, "topic": p.topic, "committed": p.committed, "lag": p.lag}
            for p in overview.lag(settings)
        ]
    except StackError as error:
        problems.append(str(error))
    try:
        jobs = dict(overview.jobs_by_state(settings))
    except StackError as error:
        problems.append(str(error))

    if as_json:
        typer.echo(
            json.dumps(
                {
                    "running": True,
                    "servers": [
                        {"name": s.server, "address": s.address, "answers": s.answers}
                        for s in servers
                    ],
                    "processes": [
                        {
                            "name": p.name,
                            "state": p.state,
                            "pid": p.process.pid if p.process else None,
                            "starts": p.starts,
                            "health": healths[p.name],
                            "monitor": monitor_of(data_dir_of(data_dir), p.name),
                        }
                        for p in processes
                    ],
                    "api": f"http://{settings.api_host}:{settings.api_port}",
                    "lag": lag,
                    "jobs": jobs,
                    "problems": problems,
                }
            )
        )
    else:
        console = Console()
        pids = {s.name: s.process.pid for s in (found.servers if found else ()) if s.process}
        _table(
            console,
            ("server", "address", "answers", "pid"),
            [
                (s.server, s.address, "yes" if s.answers else "no", str(pids.get(s.server, "")))
                for s in servers
            ],
        )
        _table(
            console,
            ("process", "state", "health", "pid", "starts"),
            [
                (
                    *(p.name, p.state, healths[p.name]),
                    *(str(p.process.pid if p.process else ""), str(p.starts)),
                )
                for p in processes
            ],
        )
        _table(
            console,
            ("group", "topic", "lag"),
            [(str(p["group"]), str(p["topic"]), str(p["lag"])) for p in lag],
        )
        _table(console, ("jobs", "count"), [(name, str(count)) for name, count in jobs.items()])
        console.print(f"API: http://{settings.api_host}:{settings.api_port}")
        for problem in problems:
            console.print(f"[red]{problem}[/red]")
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _announce(place: Path, started: float, console: Console, *, as_json: bool) -> None:
    seconds = round(time.monotonic() - started, 2)
    settings = settings_of(load_environment(place))
    api = f"http://{settings.api_host}:{settings.api_port}"
    if as_json:
        where = dict(overview.addresses(settings))
        typer.echo(json.dumps({"data_dir": str(place), **where, "api": api, "seconds": seconds}))
        return
    console.print(f"Running after {seconds} s. API: {api}   store: {settings.s3_endpoint}")
    console.print(f"Logs: {place / 'logs'}   End it with: picmend down --data-dir {place}")


def _table(console: Console, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console.print(table)
