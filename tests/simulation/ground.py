"""One database on which seed after seed is played, emptied after each.

A seed has some six connections, and half of its time went into what each of them learns when it
first makes a statement. So they stay open, and the database is emptied beneath them. `TRUNCATE`
leaves nothing that a seed could see of those before it, not even in which order rows lie.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from infra.stack.isolation import own_database
from tests.simulation.ports import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings

_TABLES: Final = (
    "SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " AND relname <> 'alembic_version' ORDER BY"
    " (SELECT count(*) FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), relname"
)
"""All tables, those that refer to few before those that refer to more."""

_GUARDS: Final = (
    "SELECT relname, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
    " WHERE tgname = 'append_only' ORDER BY 1"
)


class Ground:
    """An empty, migrated database, its `owner_url`, and `connections` to it."""

    def __init__(self, url: str, owner_url: str) -> None:
        self.owner_url = owner_url
        self.connections = Connections(url)
        self._owner = psycopg.connect(owner_url, autocommit=True)
        names = [sql.Identifier(name) for (name,) in self._owner.execute(_TABLES)]
        # Nobody shall gather statistics between two seeds: plans are the same for each.
        for name in names:
            self._owner.execute(
                sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(name)
            )
        self._empty = _emptying(self._owner, names)
        self._first = [(name, self._rows(name)) for name in names]

    def clear(self) -> None:
        """Bring it back to what it was in the beginning."""
        self.connections.come_home()
        with self._owner.transaction():
            self._owner.execute(self._empty)
            for name, rows in self._first:
                if rows:
                    self._write(name, rows)

    def close(self) -> None:
        """Close its connections."""
        self.connections.close()
        self._owner.close()

    def _rows(self, name: sql.Identifier) -> bytes:
        with self._owner.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(name)) as copy:
            return b"".join(bytes(piece) for piece in copy)

    def _write(self, name: sql.Identifier, rows: bytes) -> None:
        with self._owner.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
            copy.write(rows)


def _emptying(owner: psycopg.Connection, names: list[sql.Identifier]) -> sql.Composed:
    """Return how to empty the tables, past the guards of those that only ever grow."""
    guards = [
        (sql.Identifier(name), sql.Identifier(guard))
        for name, guard in owner.execute(_GUARDS).fetchall()
    ]
    return sql.SQL("; ").join(
        [
            *(sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(*each) for each in guards),
            sql.SQL("TRUNCATE {} RESTART IDENTITY").format(sql.SQL(", ").join(names)),
            *(sql.SQL("ALTER TABLE {} ENABLE TRIGGER {}").format(*each) for each in guards),
        ]
    )


@contextmanager
def ground(settings: Settings, template: str) -> Iterator[Ground]:
    """Give a ground of one's own, which is gone afterwards."""
    with own_database(settings, template) as database:
        own = Ground(database.app_url, database.owner_url)
        try:
            yield own
        finally:
            own.close()
