"""Which schema a database has, compared with the one that this version was written for.

Needs neither alembic nor the owner's rights, so every process can ask when it starts.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

import psycopg
from psycopg import Connection, errors

from infra.logs import logger

STEPS: Final = Path(__file__).parent / "migrations" / "versions"
KNOWN: Final = tuple(sorted(path.name.split("_")[0] for path in STEPS.glob("[0-9]*_*.py")))
"""The schema's versions that this version of picmend knows, the newest last."""

_log = logger(__name__)


class Standing(StrEnum):
    """How a database's schema stands to `KNOWN`."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


def version(conn: Connection) -> str | None:
    """Return the version of a database's schema, or None when it does not say.

    A database that was never migrated has none; one older than 0003 tells the owner alone.
    """
    try:
        with conn.transaction():
            row = conn.execute("SELECT version_num FROM public.alembic_version").fetchone()
    except (errors.UndefinedTable, errors.InsufficientPrivilege):
        return None
    return str(row[0]) if row else None


def standing(found: str | None) -> Standing:
    """Return how a schema's version stands to this version of picmend."""
    if found == KNOWN[-1]:
        return Standing.SAME
    return Standing.OLDER if found is None or found in KNOWN else Standing.NEWER


def require_schema(url: str) -> None:
    """Return if processes of this version can work with the database at `url`; else end this one.

    An older schema ends it, with exit status 1 and what to do on standard error. A newer one
    is worked with: migrations add first, and take away only what no version that may still run
    needs. A database that does not answer is not judged: whoever needs it waits for it anyway.
    """
    try:
        with psycopg.connect(url, connect_timeout=5) as conn:
            found = version(conn)
    except psycopg.OperationalError as error:
        _log.warning("schema_not_checked", error=str(error))
        return
    match standing(found):
        case Standing.OLDER:
            raise SystemExit(
                f"the database has schema {found or 'of an unknown, older version'}, this version"
                f" of picmend needs {KNOWN[-1]}; run `picmend migrate` first"
            )
        case Standing.NEWER:
            _log.warning("schema_newer", found=found, known=KNOWN[-1])
        case Standing.SAME:
            return
