"""The servers as one simulated process meets them: each call is a point, and may fail.

Three things can go wrong with a call, each a different one: it is refused, it is done but its
answer is lost, or it is done in part. And the process may die before it and behind it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from typing_extensions import override

from infra.kafka import BrokerUnavailableError, Message
from infra.stored_objects import ObjectInfo, StoreUnavailable
from tests.simulation.kafka_model import MAX_POLL, Broker, ModelConsumer, must_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import timedelta

    from psycopg.transaction import Transaction

    from tests.simulation.scheduler import Simulation
    from tests.simulation.store_model import ModelStore


class Producer:
    """`infra.kafka.Producer`: sends in pieces, between which others run."""

    def __init__(self, simulation: Simulation, broker: Broker) -> None:
        self._simulation = simulation
        self._broker = broker

    def send_all(self, messages: Sequence[Message]) -> None:
        """See `infra.kafka.Producer`."""
        simulation = self._simulation
        for message in messages:
            must_fit(message)
        simulation.point("before produce")
        waiting = list(messages)
        while waiting:
            self._broker.require()
            if simulation.inject("kafka: send refused in part", simulation.chances.error):
                raise BrokerUnavailableError("a part was not stored")
            count = simulation.random.randint(1, len(waiting))
            for message in waiting[:count]:
                self._broker.append(message)
                simulation.note(f"sent {message.topic} {message.key!r}")
                if simulation.inject("kafka: stored twice", simulation.chances.duplicate):
                    self._broker.append(message)
            del waiting[:count]
            if waiting:
                simulation.point("amid produce")
        if simulation.inject("kafka: answer to send lost", simulation.chances.answer_lost):
            raise BrokerUnavailableError("nobody knows whether it was stored")
        simulation.point("after produce")


class Consumer(ModelConsumer):
    """`infra.kafka.Consumer`, of one process."""

    def __init__(
        self, simulation: Simulation, broker: Broker, topics: Collection[str], group: str, name: str
    ) -> None:
        super().__init__(
            broker,
            topics,
            group=group,
            member=name,
            wait=self._wait,
            most=lambda: simulation.random.randint(1, MAX_POLL),
        )
        self._simulation = simulation

    def _wait(self, timeout_s: float) -> None:
        """Wait longer than asked, at times much longer: the same, in fewer turns."""
        self._simulation.sleep(timeout_s * (1 + 20 * self._simulation.random.random()))

    @override
    def poll(self, timeout_s: float) -> Sequence[Message]:
        if self._simulation.inject("kafka: poll refused", self._simulation.chances.error):
            raise BrokerUnavailableError("the broker does not answer")
        got = super().poll(timeout_s)
        if got:
            self._simulation.note(f"read {len(got)} of {got[0].topic}")
            self._simulation.point("after read")
        return got

    @override
    def commit(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._simulation.point("before ack")
        if self._simulation.inject("kafka: ack refused", self._simulation.chances.error):
            raise BrokerUnavailableError("the broker did not note it")
        super().commit(messages)
        if self._simulation.inject(
            "kafka: answer to ack lost", self._simulation.chances.answer_lost
        ):
            raise BrokerUnavailableError("nobody knows whether it was noted")
        self._simulation.point("after ack")


class Store:
    """`infra.stored_objects.ObjectStore`, of one process."""

    def __init__(
        self, simulation: Simulation, model: ModelStore, is_away: Callable[[], bool]
    ) -> None:
        self._simulation = simulation
        self._model = model
        self._is_away = is_away

    @property
    def bucket(self) -> str:
        """See `ObjectStore`."""
        return self._model.bucket

    def head(self, key: str, version_id: str | None = None) -> ObjectInfo:
        """See `ObjectStore`."""
        self._ask()
        return self._model.head(key, version_id)

    def get_range(
        self,
        key: str,
        start: int,
        end: int,
        *,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """See `ObjectStore`."""
        self._ask()
        return self._model.get_range(key, start, end, if_match=if_match, version_id=version_id)

    def get(
        self,
        key: str,
        *,
        max_bytes: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """See `ObjectStore`."""
        self._ask()
        return self._model.get(key, max_bytes=max_bytes, if_match=if_match, version_id=version_id)

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """See `ObjectStore`."""
        simulation = self._simulation
        simulation.point("before upload")
        if simulation.inject("store: upload takes long", simulation.chances.slow_upload):
            simulation.sleep(simulation.random.random() * 90)
        self._answer()
        etag = self._model.put(key, data, content_type)
        simulation.note(f"put {key}")
        if simulation.inject("store: answer to put lost", simulation.chances.answer_lost):
            raise StoreUnavailable("nobody knows whether it was stored")
        simulation.point("after upload")
        return etag

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[Sequence[ObjectInfo]]:
        """See `ObjectStore`."""
        self._ask()
        for page in self._model.list(prefix, start_after):
            yield page
            self._ask()

    def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        self._ask()
        self._model.delete(key)

    def presigned_put(
        self,
        key: str,
        expires: timedelta,
        content_type: str | None = None,
        size: int | None = None,
    ) -> str:
        """See `ObjectStore`."""
        return self._model.presigned_put(key, expires, content_type, size)

    def presigned_get(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        """See `ObjectStore`."""
        return self._model.presigned_get(key, expires, filename)

    def _ask(self) -> None:
        self._simulation.point("before asking the store")
        self._answer()

    def _answer(self) -> None:
        if self._is_away():
            raise StoreUnavailable("the store is away")
        if self._simulation.inject("store: refused", self._simulation.chances.error):
            raise StoreUnavailable("the store is busy")


class Database:
    """Postgres as one process meets it: connections on which every commit is a point.

    The server is real. Others run only where no transaction is open, so none waits for a lock.
    """

    def __init__(self, simulation: Simulation, connections: Connections) -> None:
        self._simulation = simulation
        self._connections = connections

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:  # noqa: ARG002 - as in `Pool`
        """See `infra.postgres.Pool`."""
        simulation = self._simulation
        simulation.point("before begin")
        self._answer()
        with self._connections.borrowed(autocommit=False) as conn:
            try:
                yield conn
                self._before_commit()
                conn.commit()
            except BaseException:
                conn.rollback()
                conn.afterwards.clear()
                raise
        self._after_commit()
        self._connections.finish(conn)

    @contextmanager
    def alone(self, lock: int) -> Iterator[Connection | None]:
        """See `infra.postgres.alone`."""
        self._simulation.point("before connecting")
        self._answer()
        with self._connections.borrowed(autocommit=True) as conn:
            conn.database, conn.lost = self, False
            try:
                row = conn.execute("SELECT pg_try_advisory_lock(%s)", (lock,)).fetchone()
                if not (row and row[0]):
                    conn.database = None
                    yield None
                    return
                try:
                    yield conn
                finally:
                    conn.database = None
                    conn.execute("SELECT pg_advisory_unlock_all()")
            finally:
                conn.database = None

    def before_statement(self, conn: LockedConnection) -> None:
        """What may happen before a statement that is a transaction of its own."""
        self._answer()
        broken = self._simulation.inject("postgres: lock lost", self._simulation.chances.lose_lock)
        if broken or conn.lost:
            raise psycopg.OperationalError("the connection is lost, and its lock with it")

    @contextmanager
    def transaction(self, conn: LockedConnection, real: Callable[[], Any]) -> Iterator[Transaction]:
        """Wrap a transaction on a connection that holds a lock."""
        self._simulation.point("before begin")
        self.before_statement(conn)
        with real() as transaction:
            yield transaction
            self._before_commit()
        self._after_commit()
        self._connections.finish(conn)

    def _answer(self) -> None:
        if self._connections.away:
            raise psycopg.OperationalError("the server is away")
        if self._simulation.inject("postgres: refused", self._simulation.chances.error):
            raise psycopg.OperationalError("the server does not answer")

    def _before_commit(self) -> None:
        self._simulation.point("before commit", switch=False)
        if self._simulation.inject("postgres: lost before commit", self._simulation.chances.error):
            raise psycopg.OperationalError("the connection is lost")

    def _after_commit(self) -> None:
        chances = self._simulation.chances
        if self._simulation.inject("postgres: answer to commit lost", chances.answer_lost):
            raise psycopg.OperationalError("nobody knows whether it was committed")
        self._simulation.point("after commit")


class LockedConnection(Connection[tuple[Any, ...]]):
    """A connection whose transactions are points while `database` is set.

    Once `lost`, the server has ended it, and whoever uses it has yet to notice. `afterwards`
    is what a build that is broken on purpose does once it has committed.
    """

    database: Database | None = None
    lost: bool = False
    afterwards: list[Callable[[Connection], None]]

    @override
    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        if self.database is None:
            return super().transaction(*args, **kwargs)
        return self.database.transaction(
            self, lambda: super(LockedConnection, self).transaction(*args, **kwargs)
        )

    @override
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        if self.database is not None and self.info.transaction_status is TransactionStatus.IDLE:
            self.database.before_statement(self)
        return super().execute(*args, **kwargs)


class Connections:
    """Real connections to one database, lent out again and again, to one run after another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[LockedConnection] = []
        self._all: list[LockedConnection] = []
        self.away = False

    @contextmanager
    def borrowed(self, *, autocommit: bool) -> Iterator[LockedConnection]:
        """Lend a connection with no transaction and no lock on it."""
        if not self._free:
            conn = LockedConnection.connect(self._url, options="-c lock_timeout=3s")
            conn.afterwards = []
            self._all.append(conn)
            self._free.append(conn)
        conn = self._free.pop()
        conn.set_autocommit(autocommit)
        try:
            yield conn
        finally:
            self._free.append(conn)

    def finish(self, conn: LockedConnection) -> None:
        """Do what is left to be done after a commit, in a transaction of its own."""
        left, conn.afterwards = conn.afterwards, []
        if left:
            with self.borrowed(autocommit=False) as own:
                for action in left:
                    action(own)
                own.commit()

    def lose_locks(self) -> None:
        """End the connections that hold locks, as a server does that is restarted."""
        for conn in self._all:
            if conn.database is not None and not conn.lost:
                conn.lost = True
                Connection.execute(conn, "SELECT pg_advisory_unlock_all()")

    def come_home(self) -> None:
        """Be as new for the next run. Raises `ValueError` if the last one still has some."""
        if len(self._free) < len(self._all):
            raise ValueError(f"{len(self._all) - len(self._free)} connections are still lent out")
        self.away = False
        for conn in self._all:
            conn.afterwards = []

    def close(self) -> None:
        """Close all of them."""
        for conn in self._all:
            conn.close()
