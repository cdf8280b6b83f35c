"""Postgres: pools of connections, locks that one process holds, and waiting for a NOTIFY."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import IntEnum
from typing import LiteralString, Protocol

import psycopg
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool


class Pool(Protocol):
    """Where connections are taken from."""

    def connection(self, timeout: float | None = None) -> AbstractContextManager[Connection]:
        """Give a connection for a block that is one transaction: committed at its end.

        Raises `psycopg.OperationalError` when none is free for `timeout` seconds.
        """
        ...


class Alone(IntEnum):
    """Advisory locks of what may run only once in all: one number each, never changed."""

    RELAY = 7_226_331_001
    DISPATCHER = 7_226_331_002
    SWEEPER = 7_226_331_003
    RECONCILER = 7_226_331_004
    JUDGE = 7_226_331_005


def open_pool(url: str, *, size: int, name: str, check: bool = True) -> ConnectionPool[Connection]:
    """Return a pool of at most `size` connections, opened in the background.

    `with pool.connection() as conn:` is one transaction. With `check`, a connection that a
    restart of the server broke is replaced before it is handed out, for a question to the
    server each time; without, whoever got it gets an error of the world, and tries again.
    `name` shows in `pg_stat_activity`.
    """
    return ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=True,
        timeout=10.0,
        reconnect_timeout=30.0,
        check=ConnectionPool.check_connection if check else None,
        kwargs={
            "application_name": f"picmend-{name}",
            "connect_timeout": 5,
            "options": "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
        },
    )


@contextmanager
def alone(url: str, lock: Alone) -> Iterator[Connection | None]:
    """Hold `lock` while the block runs; yield the connection that holds it, or None.

    None: another process has it. The lock ends with its connection, so whoever does the work
    does it on this very connection: when the lock is lost, so is the means to go on. The server
    gives up a statement after 10 s, so that a turn cannot last for ever.
    """
    with psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=5,
        application_name=f"picmend-{lock.name.lower()}",
        options="-c statement_timeout=10s",
    ) as conn:
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", (int(lock),)).fetchone()
        yield conn if row and row[0] else None


def held(conn: Connection) -> set[Alone]:
    """Return which of these locks some process holds now, in the database of `conn`."""
    rows = conn.execute(
        "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchall()
    numbers = {int(row[0]) for row in rows}
    return {lock for lock in Alone if lock in numbers}


def listen(conn: Connection, channel: LiteralString) -> None:
    """Subscribe an autocommit connection to a channel."""
    conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def wait_notified(conn: Connection, timeout_s: float, stopping: threading.Event) -> None:
    """Return when a channel that `conn` listens to is notified, or after `timeout_s`."""
    if not stopping.is_set():
        for _ in conn.notifies(timeout=timeout_s, stop_after=1):
            return
