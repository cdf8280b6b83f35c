"""The command `picmend jobs show`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from cli.story.messages import Progress as Tell
from cli.story.messages import Sighting, dead, in_outbox, on_topics
from cli.story.record import record
from cli.story.stored import StoredFile, stored
from cli.story.timeline import Moment, timeline
from domain.billing import money
from domain.jobs.place import Place
from domain.pipeline.place import place_of
from domain.pipeline.story import Attempt, Story, story
from infra.clock import SystemClock
from infra.dead_letters import DeadLetter, LetterBox
from infra.kafka import BrokerUnavailableError
from infra.object_store import from_settings
from infra.settings import Settings
from infra.topic_reader import TopicReader

_CLOCK: Final = SystemClock()

Letters = list[tuple[DeadLetter, bool]]


def show(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Such as job_…")],
    *,
    topics: Annotated[
        bool,
        typer.Option(
            "--topics",
            help="Look on the topics and among the dead letters too, in the partitions of the "
            "job's keys, from 10 minutes before it was asked for to 1 hour behind its end.",
        ),
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --topics: all that the topics still hold.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell the whole story of a job, in order of time.

    Every transition, attempt and message, its hold and ledger entries, its usage, its files in
    the object store, and the jobs it retries or is retried by.
    """
    settings = load_settings(data_dir)
    with transaction(settings) as conn:
        told = story(conn, job) if "\0" not in job else None
        place = place_of(conn, told.job, clock=_CLOCK) if told else None
    if told is None:
        fail(f"there is no job {job!r}; see `picmend jobs list`", EXIT_FAILED)
    sightings = in_outbox(told.unsent)
    letters: Letters = []
    if topics or whole:
        seen, letters = _on_kafka(settings, told, whole=whole, quiet=as_json)
        sightings += seen
    files = _stored(settings, told)
    moments = timeline(told, sightings, letters)
    if as_json:
        in_line = {"place": asdict(place) if place else None}
        print_json(_as_record(told, sightings, letters, files, moments) | in_line)
    else:
        _print(told, place, files, moments, looked=topics or whole)


def _on_kafka(
    settings: Settings, told: Story, *, whole: bool, quiet: bool
) -> tuple[list[Sighting], Letters]:
    try:
        reader = TopicReader(settings.kafka_bootstrap, client_id="picmend-story")
        try:
            with _progress(quiet=quiet) as tell:
                seen = on_topics(reader, told.job, whole=whole, now=_CLOCK.now(), progress=tell)
            return seen, list(dead(LetterBox(reader), told.job))
        finally:
            reader.close()
    except BrokerUnavailableError as error:
        fail(f"{error}; without --topics, what the database knows is shown", EXIT_NO_STACK)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True, disable=quiet) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(topic: str, read: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = progress.add_task(topic, total=total)
            progress.update(tasks[topic], completed=read, total=total)

        yield tell


def _stored(settings: Settings, told: Story) -> list[StoredFile]:
    store = from_settings(settings)
    try:
        return stored(store, told.job)
    finally:
        store.close()


def _as_record(
    told: Story,
    sightings: Sequence[Sighting],
    letters: Letters,
    files: Sequence[StoredFile],
    moments: Sequence[Moment],
) -> dict[str, object]:
    return {
        **record(told.job),
        "retried_by": told.retried_by,
        "transitions": [asdict(step) for step in told.transitions],
        "attempts": [asdict(attempt) for attempt in told.attempts],
        "hold": asdict(told.hold) if told.hold else None,
        "entries": [asdict(entry) for entry in told.entries],
        "usage": asdict(told.usage) if told.usage else None,
        "messages": [asdict(sighting) for sighting in sightings],
        "dead_letters": [
            {
                "topic": letter.message.topic,
                "partition": letter.place.partition,
                "offset": letter.place.offset,
                "at": letter.at,
                "reason": letter.reason,
                "error": letter.headers.get("error"),
                "open": still_open,
            }
            for letter, still_open in letters
        ],
        "files": [asdict(file) for file in files],
        "story": [asdict(moment) for moment in moments],
    }


def _print(
    told: Story,
    place: Place | None,
    files: Sequence[StoredFile],
    moments: Sequence[Moment],
    *,
    looked: bool,
) -> None:
    job = told.job
    amount = money.to_text(job.amount, job.unit) if job.amount is not None and job.unit else ""
    facts = {
        "account": job.account_id,
        "state": " ".join(filter(None, (job.state, job.code, job.detail))),
        "limit": job.limit.text() if job.limit else "",
        "priority": job.priority or "",
        "place in line": _place(place) if place else "",
        "operation": " ".join(filter(None, (job.preset, job.operation))),
        "picture": f"{job.header.format} {job.header.width}x{job.header.height}"
        if job.header
        else "",
        "amount": amount,
        "worker": _worker(told.attempts),
        "lease losses": job.lease_losses or "",
        "cancel asked for": "yes" if job.cancel_requested else "",
        "expires (UTC)": job.expires_at if job.ended_at is None else "",
        "retries": job.retry_of or "",
        "retried by": ", ".join(told.retried_by),
        **{each.what: f"{each.found}: {each.key} {each.detail}".strip() for each in files},
    }
    print_table(("", job.id), [(name, value) for name, value in facts.items() if value != ""])
    print_table(
        ("at (UTC)", "", "what"),
        [(f"{m.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], m.kind, m.what) for m in moments],
    )
    if not looked:
        typer.echo("What was sent and read is on the topics: see --topics.")


def _place(place: Place) -> str:
    position = f"{place.position} or further back" if place.at_least else str(place.position)
    if place.estimated_start is None:
        return position
    return f"{position}, may start about {place.estimated_start:%Y-%m-%d %H:%M:%S} UTC"


def _worker(attempts: Sequence[Attempt]) -> str:
    if not attempts or attempts[-1].worker is None:
        return ""
    last = attempts[-1]
    lease = f", lease until {last.lease_until:%H:%M:%S}" if last.lease_until else ""
    return f"{last.worker}{lease}"
