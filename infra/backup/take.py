"""Taking a backup of a system that runs."""

from collections.abc import Callable
from pathlib import Path

from infra.backup import database, manifest, objects
from infra.backup.manifest import Manifest
from infra.backup.offsets import Offsetter
from infra.clock import Clock
from infra.settings import Settings
from infra.stored_objects import ObjectStore

Tell = Callable[[str], None]
"""Told each part as it begins, in one line."""


def take(
    settings: Settings,
    store: ObjectStore,
    folder: Path,
    *,
    owner_url: str,
    clock: Clock,
    tell: Tell,
) -> Manifest:
    """Write a backup to a new folder and return its manifest; everything goes on meanwhile.

    Offsets are read first: what a group had committed then has done its work in the database
    by the moment that is dumped, so whoever reads on from there misses nothing. Holds a
    snapshot of the database open, and a lock on each table that forbids only migrations.

    Raises `BackupError`, `BrokerUnavailableError`, `StoreError`s and psycopg's errors; a folder
    left half-made then has no manifest, and is no backup.
    """
    manifest.begin(folder)
    began = clock.now()
    tell("noting where topics and consumer groups stand")
    offsetter = Offsetter(settings.kafka_bootstrap)
    try:
        groups = offsetter.committed()
        topics = offsetter.ends()
    finally:
        offsetter.close()
    dumped, listed = folder / "database.dump", folder / "objects.jsonl.gz"
    with database.moment(owner_url) as moment:
        tell(f"dumping the database, {sum(moment.rows.values())} rows in {len(moment.rows)} tables")
        database.dump(owner_url, dumped, moment.snapshot)
    tell(f"listing the bucket {store.bucket}")
    there = objects.write_listing(store, listed)
    made = Manifest(
        began=began,
        ended=clock.now(),
        database=manifest.Database(
            file=manifest.seal(dumped),
            schema_version=moment.schema_version,
            server=moment.server,
            rows=dict(moment.rows),
            ledger_sum=moment.ledger_sum,
        ),
        objects=manifest.Objects(
            file=manifest.seal(listed), bucket=store.bucket, count=there.count, size=there.size
        ),
        topics=topics,
        groups=groups,
    )
    manifest.finish(folder, made)
    return made
