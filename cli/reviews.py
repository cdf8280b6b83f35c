"""`picmend jobs approve` and `picmend jobs reject`: what becomes of jobs that wait for a look."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from psycopg import Connection

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, load_settings
from cli.story.record import record
from domain.jobs.model import Job
from domain.pipeline import review
from domain.pipeline.review import NotInReviewError
from infra.clock import SystemClock
from schemas.ids import JobId
from schemas.states import JobState

_CLOCK: Final = SystemClock()
_LONGEST_REASON: Final = 500

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Jobs = Annotated[list[str], typer.Argument(metavar="JOB...", help="In review; such as job_…")]

Look = Callable[[Connection, JobId], Job | None]


def approve(jobs: Jobs, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let jobs that are in review go on, at today's price.

    What cannot be paid ends rejected. Exit code 1 when some did not go on.
    """

    def look(conn: Connection, job_id: JobId) -> Job | None:
        return review.approve(conn, job_id, clock=_CLOCK)

    _each(jobs, look, JobState.QUEUED, data_dir, as_json=as_json)


def reject(
    jobs: Jobs,
    *,
    reason: Annotated[str, typer.Option(help="Why; its client reads it, too.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Reject jobs that are in review, free of charge; their shares of quotas go back.

    Exit code 1 when some were not in review.
    """
    if not 1 <= len(reason.strip()) <= _LONGEST_REASON or not reason.isprintable():
        raise typer.BadParameter(
            f"a reason has 1 to {_LONGEST_REASON} printable characters", param_hint="--reason"
        )

    def look(conn: Connection, job_id: JobId) -> Job | None:
        return review.reject(conn, job_id, reason=reason, clock=_CLOCK)

    _each(jobs, look, JobState.REJECTED, data_dir, as_json=as_json)


def _each(
    jobs: list[str], look: Look, wanted: JobState, data_dir: Path | None, *, as_json: bool
) -> None:
    settings = load_settings(data_dir)
    looked_at: list[Job] = []
    refused: dict[str, str] = {}
    for job_id in dict.fromkeys(jobs):
        try:
            with transaction(settings) as conn:
                job = look(conn, JobId(job_id))
        except NotInReviewError as error:
            refused[job_id] = str(error)
            continue
        if job is None:
            refused[job_id] = "there is no such job; see `picmend jobs list --state review`"
        else:
            looked_at.append(job)
    if as_json:
        print_json({"jobs": [record(job) for job in looked_at], "refused": refused})
    else:
        for job in looked_at:
            why = f" ({job.code}: {job.detail})" if job.code else ""
            typer.echo(f"{job.id} is {job.state}{why}.")
        if refused:
            print_table(("job", "why not"), list(refused.items()))
    if refused or any(job.state is not wanted for job in looked_at):
        raise typer.Exit(EXIT_FAILED)
