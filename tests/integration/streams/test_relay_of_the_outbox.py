"""The outbox reaches Kafka in order, at least once, by one relay at a time."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.jobs import outbox
from infra.kafka import BrokerUnavailableError, KafkaPythonProducer, Message, Producer
from infra.kafka_topics import TopicSpec
from infra.postgres import Alone, alone
from streams import relay as relay_module
from streams.relay import Relay
from streams.tasks import TaskThread
from tests.integration.streams.streams_world import World, until

if TYPE_CHECKING:
    from infra.stack.isolation import Broker, Database
    from infra.topic_reader import TopicReader


class CrashError(Exception):
    """What happens between sending and deleting, in one test."""


class Watched:
    """Sends, counts its calls, and then does what the test says."""

    def __init__(self, producer: Producer, after: Callable[[int], None] | None = None) -> None:
        self._producer = producer
        self._after = after or (lambda _: None)
        self.calls = 0

    def send_all(self, messages: Sequence[Message]) -> None:
        self._producer.send_all(messages)
        self.calls += 1
        self._after(self.calls)


@dataclass
class Line:
    """One topic of a test's own, behind its outbox."""

    world: World
    topic: str
    reader: TopicReader

    def put(self, *messages: tuple[str, bytes]) -> None:
        """Write messages, as (key, body), to the outbox in one transaction."""
        rows = [outbox.Message(self.topic, key, body) for key, body in messages]
        with self.world.pool.connection() as conn:
            outbox.put(conn, rows, self.world.clock.now())

    def waiting(self) -> int:
        return self.world.count("outbox")

    def sent(self) -> Sequence[Message]:
        return list(self.reader.read(self.topic))

    def bodies(self) -> list[bytes]:
        return [message.value for message in self.sent()]


@pytest.fixture
def line(world: World, kafka: Broker, reader: TopicReader) -> Line:
    spec = TopicSpec("x", timedelta(days=1), partitions=4)
    return Line(world, kafka.new_topic("relayed", like=spec), reader)


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        yield connection


def test_what_was_sent_is_deleted_and_the_order_of_each_job_is_kept(
    line: Line,
    conn: psycopg.Connection,
    producer: KafkaPythonProducer,
) -> None:
    for version in range(60):
        line.put(*[(f"job_{job}", b"%d" % version) for job in range(40)])
    relay = Relay(producer)

    turns = 1
    while relay.step(conn):
        turns += 1

    assert turns == 60 * 40 // relay_module.BATCH + 1
    assert line.waiting() == 0
    by_job: dict[bytes | None, list[bytes]] = {}
    for message in line.sent():
        by_job.setdefault(message.key, []).append(message.value)
    assert len(by_job) == 40
    assert all(values == [b"%d" % v for v in range(60)] for values in by_job.values())


def test_a_crash_between_sending_and_deleting_sends_the_same_messages_again(
    line: Line,
    conn: psycopg.Connection,
    producer: KafkaPythonProducer,
) -> None:
    def crash(_: int) -> None:
        raise CrashError

    line.put(("job_1", b"a"), ("job_1", b"b"))
    with pytest.raises(CrashError):
        Relay(Watched(producer, crash)).step(conn)
    assert line.waiting() == 2
    line.put(("job_1", b"c"))

    Relay(producer).step(conn)

    assert line.bodies() == [b"a", b"b", b"a", b"b", b"c"]
    assert line.waiting() == 0


def test_what_kafka_did_not_take_stays_in_the_outbox(
    line: Line, conn: psycopg.Connection, producer: KafkaPythonProducer
) -> None:
    def away(_: int) -> None:
        raise BrokerUnavailableError("away")

    line.put(("job_1", b"a"))
    with pytest.raises(BrokerUnavailableError):
        Relay(Watched(producer, away)).step(conn)
    assert line.waiting() == 1


def test_a_relay_that_waits_is_woken_by_what_is_put(
    line: Line, producer: KafkaPythonProducer, database: Database
) -> None:
    sent = threading.Event()
    relay = Relay(Watched(producer, lambda _: sent.set()))
    relay.interval_s = 60.0
    with running(TaskThread(relay, Alone.RELAY, database.app_url)):
        until(lambda: holders(database))
        line.put(("job_1", b"a"))
        assert sent.wait(5)
        until(lambda: not line.waiting())
        # It waits for 60 s, or until it is woken, before it sees that it is to stop.
        stop_and_wake(relay, line)


def test_of_two_relays_one_works_and_the_other_stands_by(
    line: Line, producer: KafkaPythonProducer, database: Database
) -> None:
    watched = [Watched(producer), Watched(producer)]
    with ExitStack() as threads:
        for one in watched:
            threads.enter_context(running(TaskThread(Relay(one), Alone.RELAY, database.app_url)))
        for number in range(20):
            line.put(("job_1", b"%d" % number))
            until(lambda: not line.waiting())
        assert len(holders(database)) == 1
    assert sorted(one.calls > 0 for one in watched) == [False, True]


def test_a_relay_takes_over_when_the_other_ones_connection_is_killed(
    line: Line,
    producer: KafkaPythonProducer,
    database: Database,
) -> None:
    mine = Watched(producer)
    with alone(database.app_url, Alone.RELAY) as other, ExitStack() as threads:
        assert other is not None
        threads.enter_context(running(TaskThread(Relay(mine), Alone.RELAY, database.app_url)))
        line.put(("job_1", b"a"))
        assert line.waiting() == 1

        terminate(database, *holders(database))

        until(lambda: not line.waiting())
        with pytest.raises(psycopg.OperationalError):
            Relay(producer).step(other)
    assert line.bodies() == [b"a"]
    assert mine.calls == 1


def test_a_relay_whose_connection_is_killed_in_the_midst_loses_nothing_and_keeps_the_order(
    line: Line,
    producer: KafkaPythonProducer,
    database: Database,
) -> None:
    def kill_at_times(call: int) -> None:
        if call in (2, 4):
            terminate(database, *holders(database))

    sent = [b"%d" % number for number in range(12)]
    relay = Relay(Watched(producer, kill_at_times))
    with running(TaskThread(relay, Alone.RELAY, database.app_url)):
        for body in sent:
            line.put(("job_1", body))
            until(lambda: not line.waiting())

    arrived = line.bodies()
    assert len(arrived) == len(sent) + 2
    first_seen = [body for body, _ in itertools.groupby(arrived)]
    assert first_seen == sent


@contextmanager
def running(thread: TaskThread) -> Iterator[None]:
    thread.start()
    try:
        yield
    finally:
        thread.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def stop_and_wake(relay: Relay, line: Line) -> None:
    """Let a relay with a long interval wait shortly from its next turn on."""
    relay.interval_s = 0.1
    line.put(("job_1", b"wake"))


def holders(database: Database) -> list[int]:
    """Return the backends that hold the relay's lock in this database."""
    with psycopg.connect(database.owner_url) as owner:
        rows = owner.execute(
            "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND granted AND d.datname = %s"
            " AND (classid::bigint << 32) | objid::bigint = %s",
            (database.name, int(Alone.RELAY)),
        ).fetchall()
    return [int(row[0]) for row in rows]


def terminate(database: Database, *pids: int) -> None:
    assert pids
    with psycopg.connect(database.owner_url) as owner:
        for pid in pids:
            owner.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
