"""`picmend jobs`: look at jobs, cancel them, try them again, judge those in review."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from psycopg import Connection
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, fail, load_settings
from cli.inspection.stuck import stuck_jobs
from cli.reviews import approve, reject
from cli.story.record import record
from cli.story.show import show
from domain.billing import money
from domain.jobs import read, store
from domain.jobs.model import Job
from domain.jobs.read import JobFilter
from domain.pipeline.cancel import JobEndedError, cancel
from domain.pipeline.retry import NotRetryableError
from domain.pipeline.submit import RefusedError, submit_retry
from infra.clock import SystemClock
from infra.settings import Settings
from schemas.errors import ErrorCode
from schemas.states import TERMINAL, Actor, JobState

app = typer.Typer(
    name="jobs", help="List, show, cancel and retry jobs; find stuck ones.", no_args_is_help=True
)
app.command()(show)
app.command("stuck")(stuck_jobs)
app.command()(approve)
app.command()(reject)

_CLOCK: Final = SystemClock()
_PAGE: Final = 200
_WITHOUT_RESULT: Final = tuple(sorted(TERMINAL - {JobState.SUCCEEDED}))

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Such as job_…")]
AccountOption = Annotated[str, typer.Option(help="Whose jobs; such as acc_…")]
Codes = Annotated[list[ErrorCode] | None, typer.Option("--code", help="One or several.")]


@app.command("list")
def list_jobs(
    *,
    account: AccountOption,
    state: Annotated[list[JobState] | None, typer.Option(help="One or several.")] = None,
    code: Codes = None,
    prefix: Annotated[str, typer.Option(help="How the source's key begins: in/…")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List an account's jobs, newest first."""
    wanted = JobFilter(state or (), code or (), prefix)
    with transaction(load_settings(data_dir)) as conn:
        found = read.page(conn, account, wanted, before_seq=None, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    if as_json:
        print_json({"jobs": [record(job) for job in shown], "more": more})
        return
    print_table(
        ("job", "state", "code", "limit", "source", "priority", "amount", "asked (UTC)"),
        [
            (
                j.id,
                j.state,
                j.code,
                j.limit and f"{j.limit.quota} {j.limit.used}/{j.limit.limit}",
                j.source.key,
                j.priority or None,
                _amount(j),
                j.requested_at,
            )
            for j in shown
        ],
    )
    if more:
        typer.echo(f"There are more than these {limit}; see --limit.")


@app.command("cancel")
def cancel_job(job: JobArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Cancel a job: one that waits ends at once, one that runs is asked to stop."""
    with transaction(load_settings(data_dir)) as conn:
        found = _found(conn, job)
        try:
            now = cancel(conn, found.id, by=Actor.OPERATOR, clock=_CLOCK) or found
        except JobEndedError as error:
            fail(str(error), EXIT_FAILED)
    if as_json:
        print_json(record(now))
    elif now.state is JobState.CANCELLED:
        typer.echo(f"{now.id} is cancelled.")
    else:
        typer.echo(f"{now.id} runs, and was asked to stop.")


@app.command()
def retry(
    jobs: Annotated[list[str] | None, typer.Argument(metavar="[JOB]...")] = None,
    *,
    account: AccountOption,
    code: Codes = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Try jobs that ended without a result again: those named, or all that ended with a code.

    Each becomes a new job under today's terms; one that was tried again before is left out.
    Exit code 1 when some could not be.
    """
    if bool(jobs) == bool(code):
        raise typer.BadParameter("name either jobs or --code")
    settings = load_settings(data_dir)
    retried: dict[str, str] = {}
    refused: dict[str, str] = {}
    with _progress(quiet=as_json) as progress:
        task = progress.add_task("retrying", total=None)
        for each in _named(settings, account, jobs) if jobs else _coded(settings, account, code):
            try:
                retried[each.id] = _retry(settings, each)
            except (NotRetryableError, RefusedError) as error:
                refused[each.id] = str(error)
            progress.update(task, description=f"{len(retried)} retried, {len(refused)} refused")
    if as_json:
        print_json({"retried": retried, "refused": refused})
    else:
        typer.echo(f"{len(retried)} retried, {len(refused)} refused.")
        if refused:
            print_table(("job", "why not"), list(refused.items()))
    if refused:
        raise typer.Exit(EXIT_FAILED)


def _named(settings: Settings, account: str, job_ids: list[str]) -> Iterator[Job]:
    for job_id in job_ids:
        with transaction(settings) as conn:
            job = read.of_account(conn, account, job_id)
        if job is None:
            fail(f"{account} has no job {job_id!r}; see `picmend jobs list`", EXIT_FAILED)
        yield job


def _coded(settings: Settings, account: str, codes: list[ErrorCode] | None) -> Iterator[Job]:
    """Yield the jobs to try again, newest first, a page at a time."""
    wanted = JobFilter(_WITHOUT_RESULT, codes or (), not_retried=True)
    before: int | None = None
    while True:
        with transaction(settings) as conn:
            page = read.page(conn, account, wanted, before_seq=before, limit=_PAGE)
        if not page:
            return
        yield from page
        before = page[-1].seq


def _retry(settings: Settings, job: Job) -> str:
    lifetime = timedelta(days=settings.job_lifetime_days)
    with transaction(settings) as conn:
        return submit_retry(conn, job, clock=_CLOCK, lifetime=lifetime).id


def _found(conn: Connection, job_id: str) -> Job:
    job = store.get(conn, job_id) if "\0" not in job_id else None
    if job is None:
        fail(f"there is no job {job_id!r}; see `picmend jobs list`", EXIT_FAILED)
    return job


def _amount(job: Job) -> str:
    if job.amount is None or job.unit is None:
        return ""
    return money.to_text(job.amount, job.unit)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True, disable=quiet) as progress:
        yield progress
