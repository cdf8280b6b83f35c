"""`picmend check`: does all hold that must always hold? Read-only, on a system that runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Final

import typer
from psycopg import Connection
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from cli.inspection import kafka, objects, uploads, usage
from cli.inspection.findings import Found, OutsideCode, inside, outside
from cli.inspection.uploads import Lost
from domain.jobs import files, waits
from domain.jobs.files import EndedFiles
from domain.pipeline import check as domain_check
from infra.clock import SystemClock
from infra.kafka import BrokerUnavailableError
from infra.object_store import from_settings
from infra.postgres import Alone, held
from infra.settings import Settings
from infra.stored_objects import ObjectStore, StoreError
from infra.topic_reader import TopicReader
from schemas.topics import JOB_REQUESTS, OBJECT_EVENTS
from streams.reconciler import MAX_LAG

_CLOCK: Final = SystemClock()

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a check goes: jobs whose files are asked for (None: all), and how old uploads are.

    `settle_s` is how long things in motion have to come to rest before they are asked again.
    """

    sample: int | None
    topics: bool
    upload: timedelta
    settle_s: float


def check(
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Ask for the files of every job, not of a sample.")
    ] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="The newest ended jobs whose files are asked for.")
    ] = 1000,
    topics: Annotated[
        bool,
        typer.Option("--topics", help="Read the whole usage topic against the usage on record."),
    ] = False,
    upload_s: Annotated[
        float, typer.Option(min=0, help="Seconds that an upload has to get its job.")
    ] = 300,
    settle_s: Annotated[
        float, typer.Option(min=0, help="Seconds after which suspects are asked again.")
    ] = 5,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check everything that must hold: ledger, jobs, history, usage, files, topics, consumers.

    Changes nothing, and is safe while the system works: what is in motion is asked again
    before it is told. Exit code 1 when something is wrong, each with its name and remedy.
    """
    settings = load_settings(data_dir)
    reach = Reach(None if deep else sample, topics, timedelta(seconds=upload_s), settle_s)
    try:
        with _saying(quiet=as_json) as say:
            found = _check(settings, reach, say)
    except BrokerUnavailableError as error:
        fail(f"{error}; `picmend status` shows what runs", EXIT_NO_STACK)
    except StoreError as error:
        fail(f"the object store: {error}; `picmend status` shows what runs", EXIT_NO_STACK)
    if as_json:
        print_json({"findings": [asdict(each) for each in found]})
    elif found:
        print_table(
            ("finding", "of", "what", "what to do"),
            [(each.code, each.subject, each.detail, each.remedy) for each in found],
        )
    else:
        typer.echo("Everything holds.")
    if found:
        raise typer.Exit(EXIT_FAILED)


def _check(settings: Settings, reach: Reach, say: Say) -> list[Found]:
    say("consumers")
    before, first = kafka.progress(settings.kafka_bootstrap), time.monotonic()
    say("the database")
    inner = _database(settings)
    missing = _missing_tasks(settings)
    store = from_settings(settings, connections=objects.READERS)
    try:
        lost = _lost_uploads(settings, store, reach, say)
        wrong = _wrong_files(settings, store, reach, say)
        letters = kafka.open_letters(settings.kafka_bootstrap)
        told = _usage(settings, say) if reach.topics else []
        say("once more, what may have been in motion")
        # Two looks at the consumers must be that far apart anyway.
        time.sleep(max(0.0, reach.settle_s - (time.monotonic() - first)))
        if inner or missing or lost or wrong:
            time.sleep(reach.settle_s)
        return [
            *_both(inner, lambda: _database(settings)),
            *_both(missing, lambda: _missing_tasks(settings)),
            *_still_lost(settings, store, lost, before),
            *(again for job, _ in wrong if (again := objects.look(store, job)) is not None),
            *_standing_still(settings, before),
            *letters,
            *told,
        ]
    finally:
        store.close()


def _both(first: Sequence[Found], ask: Callable[[], list[Found]]) -> list[Found]:
    """Return what is found now and was found before."""
    before = {(each.code, each.subject) for each in first}
    return [each for each in ask() if (each.code, each.subject) in before] if before else []


def _database(settings: Settings) -> list[Found]:
    with _connection(settings) as conn:
        return [inside(each) for each in domain_check.check(conn, now=_CLOCK.now())]


def _missing_tasks(settings: Settings) -> list[Found]:
    wanted = set(Alone) if settings.reconciler_enabled else set(Alone) - {Alone.RECONCILER}
    with _connection(settings) as conn:
        return [
            outside(OutsideCode.TASK_NOT_DONE, task.name.lower(), "no process holds its lock")
            for task in sorted(wanted - held(conn))
        ]


def _lost_uploads(settings: Settings, store: ObjectStore, reach: Reach, say: Say) -> list[Lost]:
    seen = 0

    def on_page(count: int) -> None:
        nonlocal seen
        seen += count
        say(f"uploads: {seen} listed")

    return list(
        uploads.without_job(
            store,
            partial(transaction, settings),
            now=_CLOCK.now(),
            patience=uploads.Patience(reach.upload, _mask_wait(settings, reach.upload)),
            on_page=on_page,
        )
    )


def _still_lost(
    settings: Settings, store: ObjectStore, lost: Sequence[Lost], progress: kafka.Progress
) -> list[Found]:
    # Behind so much, uploads wait in the topics, and the reconciler lists nothing either.
    if not lost or sum(progress[topic].lag for topic in (OBJECT_EVENTS, JOB_REQUESTS)) > MAX_LAG:
        return []
    with transaction(settings) as conn:
        still = uploads.still_without_job(
            store, conn, lost, now=_CLOCK.now(), mask=_mask_wait(settings, timedelta())
        )
    return [
        outside(
            OutsideCode.UPLOAD_WITHOUT_JOB,
            each.key,
            f"it should be {each.job_id}, and is there since {each.since.isoformat()}",
        )
        for each in still
    ]


def _mask_wait(settings: Settings, upload: timedelta) -> timedelta:
    return timedelta(hours=settings.mask_wait_hours) + upload


def _wrong_files(
    settings: Settings, store: ObjectStore, reach: Reach, say: Say
) -> list[tuple[EndedFiles, Found]]:
    looked = 0

    def on_look() -> None:
        nonlocal looked
        looked += 1
        say(f"files of ended jobs: {looked} asked for")

    with _connection(settings) as conn:
        pages = files.ended(conn, before=_settled_before())
        jobs = islice(chain.from_iterable(pages), reach.sample)
        return list(objects.wrong_files(store, jobs, on_look=on_look))


def _standing_still(settings: Settings, before: kafka.Progress) -> list[Found]:
    with _connection(settings) as conn:
        running = waits.running(conn)
    return kafka.standing_still(before, kafka.progress(settings.kafka_bootstrap), running)


def _usage(settings: Settings, say: Say) -> list[Found]:
    reader = TopicReader(settings.kafka_bootstrap, client_id="picmend-check")
    try:
        with _connection(settings) as conn:
            return list(
                usage.disagreements(
                    reader,
                    conn,
                    before=_settled_before(),
                    on_read=lambda read, total: say(f"usage topic: {read} of {total}"),
                )
            )
    finally:
        reader.close()


def _settled_before() -> datetime:
    return _CLOCK.now() - domain_check.STALE_AFTER


@contextmanager
def _connection(settings: Settings) -> Iterator[Connection]:
    """Give a connection on which each statement is by itself, and none can change anything."""
    with transaction(settings) as conn:
        conn.autocommit = True
        conn.execute("SET default_transaction_read_only = on")
        yield conn


@contextmanager
def _saying(*, quiet: bool) -> Iterator[Say]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True, disable=quiet) as progress:
        task = progress.add_task("checking", total=None)
        yield lambda text: progress.update(task, description=text)
