"""The command `picmend jobs stuck`."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress, TextColumn

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from cli.inspection.surroundings import cause_of, look
from cli.inspection.uploads import Lost, Patience, still_without_job, without_job
from domain.jobs import workers
from domain.pipeline.stuck import Cause, Stuck, StuckCode, Thresholds, stuck
from infra.clock import SystemClock
from infra.kafka import BrokerUnavailableError
from infra.object_store import from_settings
from infra.settings import Settings
from infra.stored_objects import StoreError
from streams.dispatcher import caps

_CLOCK: Final = SystemClock()

_STORY: Final = "picmend jobs show {job} --topics"
_STATUS: Final = "picmend status"
_LOG: Final = "see `picmend status`, and in the log of `streams` what it says of {task}"

_REMEDIES: Final[dict[Cause, str]] = {
    Cause.ACCOUNT_BARRED: "picmend account resume {account}",
    Cause.RELAY_BEHIND: f"Kafka takes nothing, or too slowly: {_STATUS}",
    Cause.NO_DISPATCHER: "start a `streams` process: " + _LOG.format(task="dispatcher"),
    Cause.NO_SWEEPER: "start a `streams` process: " + _LOG.format(task="sweeper"),
    Cause.NO_RELAY: "start a `streams` process: " + _LOG.format(task="relay"),
    Cause.NO_RECONCILER: (
        "start a `streams` process with PICMEND_RECONCILER_ENABLED: "
        + _LOG.format(task="reconciler")
    ),
    Cause.NO_WORKER: f"start a `worker` process: {_STATUS}",
    Cause.WORKERS_BUSY: "wait, or start another `worker` process",
    Cause.WORKER_GONE: "the sweeper takes it back once Postgres has answered for 15 s; else "
    + _LOG.format(task="sweeper"),
    Cause.CONSUMER_BEHIND: f"picmend doctor --process {{process}}, and {_STATUS} for the lag",
    Cause.DEAD_LETTER: "picmend dlq list; mend the cause, then picmend dlq replay",
    Cause.NOBODY_DECIDED: "picmend jobs cancel {job}, or decide it",
    Cause.UNKNOWN: _STORY,
}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that is stuck, as it is printed. `subject` is a job's id or an upload's key."""

    code: StuckCode
    subject: str
    account_id: str
    since: str
    cause: Cause
    remedy: str


def stuck_jobs(
    *,
    queued_s: Annotated[float, typer.Option(min=0, help="In line with a place free.")] = 120,
    dispatched_s: Annotated[float, typer.Option(min=0, help="Dispatched and not claimed.")] = 120,
    lease_s: Annotated[float, typer.Option(min=0, help="Running behind its lease's end.")] = 40,
    ended_s: Annotated[float, typer.Option(min=0, help="Ended with an open hold.")] = 60,
    review_s: Annotated[float, typer.Option(min=0, help="In review.")] = 86400,
    upload_s: Annotated[float, typer.Option(min=0, help="In the store without a job.")] = 300,
    cancel_s: Annotated[
        float,
        typer.Option(min=0, help="How long to watch what was asked to stop: it is told in 5 s."),
    ] = 10,
    store: Annotated[
        bool, typer.Option("--store", help="List the store too, for uploads without a job.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find jobs that do not move although they should: since when, why, and what to do.

    Every threshold is in seconds. Exit code 1 when there are some.
    """
    settings = load_settings(data_dir)
    limits = Thresholds(
        queued=timedelta(seconds=queued_s),
        dispatched=timedelta(seconds=dispatched_s),
        lease_over=timedelta(seconds=lease_s),
        ended=timedelta(seconds=ended_s),
        review=timedelta(seconds=review_s),
    )
    found = _settled(settings, limits, watch_s=cancel_s)
    if store:
        found += _uploads(settings, timedelta(seconds=upload_s), quiet=as_json)
    told = _explained(settings, found) if found else []
    if as_json:
        print_json({"stuck": [asdict(each) for each in told]})
    elif told:
        print_table(
            ("what", "job or upload", "since (UTC)", "why", "what to do"),
            [(t.code, t.subject, t.since[:19].replace("T", " "), t.cause, t.remedy) for t in told],
        )
    else:
        typer.echo("Nothing is stuck.")
    if told:
        raise typer.Exit(EXIT_FAILED)


def _settled(settings: Settings, limits: Thresholds, *, watch_s: float) -> list[Stuck]:
    """Ask; and ask again, after `watch_s`, about what may have been told to stop only now."""
    found = _ask(settings, limits)
    if not any(each.code is StuckCode.CANCEL_NOT_HEEDED for each in found):
        return found
    time.sleep(watch_s)
    still = {(each.code, each.job_id) for each in _ask(settings, limits)}
    return [each for each in found if (each.code, each.job_id) in still]


def _ask(settings: Settings, limits: Thresholds) -> list[Stuck]:
    with transaction(settings) as conn:
        now = _CLOCK.now()
        live = workers.caps(workers.live_slots(conn, now), least=caps(settings))
        return stuck(conn, caps=live.operations, now=now, limits=limits)


def _uploads(settings: Settings, age: timedelta, *, quiet: bool) -> list[Stuck]:
    store = from_settings(settings)
    patience = Patience(age, timedelta(hours=settings.mask_wait_hours) + age)
    try:
        with Progress(TextColumn("{task.description}"), transient=True, disable=quiet) as progress:
            task = progress.add_task("listing", total=None)
            seen = 0

            def on_page(count: int) -> None:
                nonlocal seen
                seen += count
                progress.update(task, description=f"listing: {seen} objects")

            suspects = list(
                without_job(
                    store,
                    partial(transaction, settings),
                    now=_CLOCK.now(),
                    patience=patience,
                    on_page=on_page,
                )
            )
        with transaction(settings) as conn:
            lost = still_without_job(store, conn, suspects, now=_CLOCK.now(), mask=patience.mask)
    except StoreError as error:
        fail(f"the object store cannot be listed: {error}", EXIT_NO_STACK)
    finally:
        store.close()
    return [_stuck_upload(each) for each in lost]


def _stuck_upload(lost: Lost) -> Stuck:
    return Stuck(
        StuckCode.UPLOAD_WITHOUT_JOB, lost.job_id, lost.account_id, None, lost.since, None, lost.key
    )


def _explained(settings: Settings, found: Sequence[Stuck]) -> list[Told]:
    suspects = [
        each.job_id
        for each in found
        if each.code in (StuckCode.HOLD_NOT_CLOSED, StuckCode.UPLOAD_WITHOUT_JOB)
    ]
    try:
        with transaction(settings) as conn:
            around = look(settings, conn, suspects)
    except BrokerUnavailableError as error:
        fail(f"{len(found)} are stuck, and {error}: that may be why", EXIT_NO_STACK)
    explained = [replace(each, cause=cause_of(each, around)) for each in found]
    return [_told(each, each.cause or Cause.UNKNOWN) for each in explained]


def _told(each: Stuck, cause: Cause) -> Told:
    return Told(
        code=each.code,
        subject=each.key or each.job_id,
        account_id=each.account_id,
        since=each.since.isoformat(),
        cause=cause,
        remedy=_REMEDIES[cause].format(
            job=each.job_id,
            account=each.account_id,
            process="worker" if each.code is StuckCode.NOT_CLAIMED else "streams",
        ),
    )
