"""`picmend backup` and `picmend recover`: a copy of what cannot be made again, and its return."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer

from cli.books import print_json
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from domain.billing import checks as ledger
from domain.jobs import checks as jobs
from infra.backup import BackupError, database, manifest, objects
from infra.backup.manifest import Manifest
from infra.backup.objects import Difference
from infra.backup.offsets import Gap, Offsetter
from infra.backup.put_back import put_back
from infra.backup.take import take
from infra.clock import SystemClock
from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import STREAMS
from infra.migrations import LockedOutError, TooSlowError
from infra.object_store import from_settings
from infra.postgres import open_pool
from infra.settings import Settings
from infra.stored_objects import StoreError
from infra.topic_reader import TopicReader
from schemas import topics
from streams.replay import NotAsBeforeError, Replay, Replayed, Starts

_CLOCK: Final = SystemClock()
_SHOWN: Final = 20

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the backup.")]
DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def backup(folder: Folder, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Back up the database, and note what the store and the topics held; all goes on meanwhile.

    Needs PICMEND_MIGRATIONS_URL, the database as its owner, and a new DIR, which only its
    owner may read. The objects themselves and the topics are not copied: see the guide.
    """
    settings = load_settings(data_dir)
    with _told():
        made = take(
            settings,
            from_settings(settings),
            folder,
            owner_url=_owner_url(settings),
            clock=_CLOCK,
            tell=_tell,
        )
    facts: dict[str, object] = {
        "folder": str(folder),
        "began": made.began,
        "seconds": round((made.ended - made.began).total_seconds(), 1),
        "schema": made.database.schema_version,
        "rows": sum(made.database.rows.values()),
        "bytes": made.database.file.size,
        "objects": made.objects.count,
        "objects_bytes": made.objects.size,
    }
    if as_json:
        print_json(facts)
    else:
        typer.echo(
            f"Backed up {facts['rows']} rows ({facts['bytes']} bytes) and the names of"
            f" {facts['objects']} objects to {folder} in {facts['seconds']} s."
        )


def recover(
    folder: Folder,
    *,
    go_on: Annotated[
        bool,
        typer.Option("--continue", help="The database is loaded already: do what comes after."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Go on where a job can no longer be served as it was."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Load a backup into an empty database, and do again what the topics tell has come since.

    Every api, streams and worker must be stopped. Needs PICMEND_MIGRATIONS_URL. Refuses a
    database that holds anything. Start the processes after it; uploads that no topic knows are
    found by listing.
    """
    settings = load_settings(data_dir)
    owner_url = _owner_url(settings)
    with _told():
        made = manifest.read(folder)
        with closing(Offsetter(settings.kafka_bootstrap)) as offsets:
            offsets.require_idle()
            ends = offsets.ends()
            if not go_on:
                put_back(made, folder, owner_url=owner_url, tell=_tell)
            replayed = _replay(settings, made, force=force)
            _tell("setting the consumer groups back")
            groups = {name: dict(noted) for name, noted in made.groups.items()}
            groups.setdefault(STREAMS.name, {})[topics.USAGE] = replayed.usage_read
            gaps = offsets.set_back(groups, ends)
        _tell("comparing the bucket with the listing")
        difference = objects.compare(from_settings(settings), folder / made.objects.file.name)
        findings = _findings(owner_url)
    _report(made, replayed, gaps, difference, findings, as_json=as_json)
    if findings:
        raise typer.Exit(EXIT_FAILED)


def _replay(settings: Settings, made: Manifest, *, force: bool) -> Replayed:
    noted = made.groups.get(STREAMS.name, {})
    ends = {number: at.end for number, at in made.topics.get(topics.JOB_EVENTS, {}).items()}
    starts = Starts(
        # What the database did not know then was told behind this, since the outbox tells it.
        job_events=ends,
        job_requests=noted.get(topics.JOB_REQUESTS, {}),
        job_results=noted.get(topics.JOB_RESULTS, {}),
        usage=noted.get(topics.USAGE, {}),
    )
    url = settings.database_url.get_secret_value()
    with (
        closing(TopicReader(settings.kafka_bootstrap, client_id="picmend-recover")) as reader,
        open_pool(url, size=2, name="recover") as pool,
    ):
        lifetime = timedelta(days=settings.job_lifetime_days)
        replay = Replay(pool, reader, _CLOCK, lifetime=lifetime, tell=_tell, force=force)
        return replay.run(starts)


def _findings(owner_url: str) -> list[str]:
    with psycopg.connect(owner_url, connect_timeout=5) as conn:
        broken = [f"{f.code} {f.subject}: {f.detail}" for f in ledger.check(conn)]
        broken += [f"{f.rule} {f.job_id}: {f.detail}" for f in jobs.history(conn)]
        total = database.ledger_sum(conn)
    return [*broken, f"the ledger sums to {total}, not to 0"] if total else broken


def _report(
    made: Manifest,
    replayed: Replayed,
    gaps: list[Gap],
    difference: Difference,
    findings: list[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "backup_of": made.began,
                "rows": sum(made.database.rows.values()),
                "replayed": asdict(replayed),
                "gaps": [asdict(gap) for gap in gaps],
                "objects": asdict(difference),
                "findings": findings,
            }
        )
        return
    typer.echo(f"The database is as it was at {made.began:%Y-%m-%d %H:%M:%S} UTC, and since then:")
    typer.echo(
        f"  {replayed.decided} uploads decided again, {replayed.succeeded} jobs ended with their"
        f" results, {replayed.ended} ended otherwise, {replayed.settled} usage events recorded"
    )
    if replayed.again:
        typer.echo(f"  {replayed.again} jobs had ended and will be run again, charged once")
    _list(
        "jobs have their charge back but are unknown; their clients may ask again with the"
        " same idempotency key",
        replayed.money_only,
    )
    _list(
        "jobs of the API were under way and are forgotten; their clients must ask again",
        replayed.forgotten,
    )
    _list("uploads were queued then and are rejected now", replayed.rejected)
    _list("usage events contradict the ledger", replayed.refused)
    _list("partitions no longer hold what was to be read again", [_gap(gap) for gap in gaps])
    _list("objects are missing that the backup lists", difference.first_missing, difference.missing)
    _list("objects are others than the backup lists", difference.first_changed, difference.changed)
    _list("findings of the ledger and of jobs' histories", findings)
    typer.echo("Start api, streams and worker now; `picmend check` says when all agrees.")


def _gap(gap: Gap) -> str:
    why = "is not the topic of the backup" if gap.foreign else "begins later by now"
    return f"{gap.topic}/{gap.partition} {why}: {gap.group} goes on at {gap.found}"


def _list(what: str, items: Sequence[str], count: int | None = None) -> None:
    """Print how many there are, and the first of them; nothing when there are none."""
    total = len(items) if count is None else count
    if total:
        typer.echo(f"  {total} {what}:")
        for item in items[:_SHOWN]:
            typer.echo(f"    {item}")


def _owner_url(settings: Settings) -> str:
    if settings.migrations_url is None:
        fail("PICMEND_MIGRATIONS_URL is not set; it must reach the database as its owner")
    return settings.migrations_url.get_secret_value()


def _tell(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _told() -> Iterator[None]:
    """End the command in words, whatever is wrong."""
    try:
        yield
    except (BackupError, NotAsBeforeError, LockedOutError, TooSlowError) as error:
        fail(str(error))
    except (psycopg.OperationalError, BrokerUnavailableError, StoreError) as error:
        fail(f"{str(error).strip()}; `picmend status` shows what runs", EXIT_NO_STACK)
