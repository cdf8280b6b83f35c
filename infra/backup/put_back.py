"""Putting a backup's database back, and making sure that it is the one that was dumped."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from infra import migrations, schema_version
from infra.backup import NoBackupError, ToolError, database
from infra.backup.manifest import Manifest
from infra.schema_version import Standing

Tell = Callable[[str], None]
"""Told each part as it begins, in one line."""


def put_back(made: Manifest, folder: Path, *, owner_url: str, tell: Tell) -> None:
    """Load the database of a backup into an empty one, and bring it to the newest schema.

    Everything in one transaction: when it fails, the database is empty, and it may be called
    again. Raises `NoBackupError` for a backup of a newer schema than this version knows,
    `NotEmptyError`, `ToolError`, and psycopg's and the migrations' errors.
    """
    noted = made.database
    if schema_version.standing(noted.schema_version) is Standing.NEWER:
        raise NoBackupError(
            f"the backup has schema {noted.schema_version}, this version of picmend knows"
            f" {schema_version.KNOWN[-1]}; restore it with the version that wrote it"
        )
    database.require_empty(owner_url)
    tell(f"loading {sum(noted.rows.values())} rows into {len(noted.rows)} tables")
    database.load(owner_url, folder / noted.file.name)
    with psycopg.connect(owner_url, connect_timeout=5) as conn:
        found, total = database.counted(conn), database.ledger_sum(conn)
    if (found, total) != (noted.rows, noted.ledger_sum):
        differing = sorted(
            table
            for table in found.keys() | noted.rows.keys()
            if found.get(table) != noted.rows.get(table)
        )
        raise ToolError(
            f"what was loaded is not what was dumped: {', '.join(differing) or 'the ledger'}; drop"
            " the database and use another backup"
        )
    if noted.schema_version != schema_version.KNOWN[-1]:
        tell(f"bringing the schema from {noted.schema_version} to {schema_version.KNOWN[-1]}")
        migrations.upgrade(owner_url, tell=tell)
