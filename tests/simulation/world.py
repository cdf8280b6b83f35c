"""The servers, picmend's processes on them, and a supervisor that starts them again."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

from infra.kafka import Message
from infra.kafka_lag import WORKERS
from schemas import topics
from tests.simulation.kafka_model import Broker
from tests.simulation.processes import Streams, WorkerProcess, group_of
from tests.simulation.scheduler import Chances, Process
from tests.simulation.store_model import ModelStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stored_objects import ObjectInfo
    from tests.simulation.ports import Connections, LockedConnection
    from tests.simulation.scheduler import Simulation

_KINDS: Final = {"streams": Streams, "worker": WorkerProcess}
_READ: Final = (
    (group_of("intake"), topics.OBJECT_EVENTS),
    (group_of("admission"), topics.JOB_REQUESTS),
    (group_of("results"), topics.JOB_RESULTS),
    (group_of("billing"), topics.USAGE),
    (group_of("problems"), topics.JOB_EVENTS),
    *((WORKERS.name, topic) for topic in WORKERS.topics),
)


class World:
    """All there is in one run.

    `put` are the (key, ETag) of all that was ever put, `announced` those whose event reached
    Kafka, `started` the (job, attempt) that a worker began to work on; all in order.
    """

    def __init__(self, simulation: Simulation, connections: Connections) -> None:
        self.simulation = simulation
        self.broker = Broker(lambda: simulation.elapsed)
        self.store = ModelStore(simulation.now, on_put=self._announce)
        self.connections = connections
        self.store_away = False
        self.calm = False
        self.put: list[tuple[str, str]] = []
        self.announced: list[tuple[str, str]] = []
        self.started: list[tuple[str, int]] = []
        self.processes: dict[str, Process] = {}
        self._events_under_way = 0
        self._next_look = 0.0
        self._incarnations = 0
        self._supervisor = Process("supervisor")
        self._storekeeper = Process("store")

    @contextmanager
    def transaction(self) -> Iterator[LockedConnection]:
        """Give a transaction that nothing interrupts: the hand of whoever sets the scene."""
        with self.connections.borrowed(autocommit=False) as conn:
            try:
                yield conn
                conn.commit()
            except BaseException:
                conn.rollback()
                conn.afterwards.clear()
                raise
        self.connections.finish(conn)

    def start(self, name: str) -> None:
        """Start a process (`streams-1`, …), and again whenever it dies."""
        self._incarnations += 1
        process = Process(f"{name}.{self._incarnations}")
        process.on_death.append(lambda: self._start_again(name))
        self.processes[name] = process
        _KINDS[name.partition("-")[0]](self, process)
        self.simulation.note(f"{process.name} starts")

    def idle_s(self) -> float:
        """Return how long a task waits that found nothing to do."""
        return self.simulation.random.random() * (30.0 if self.calm else 2.0)

    def standby_s(self) -> float:
        """Return how long a task waits whose lock another process has."""
        return 30.0 if self.calm else 2.0

    def calm_down(self) -> None:
        """Let no fault happen any more, and mend those that last."""
        self.calm = True
        self.broker.away = self.connections.away = self.store_away = False
        self.simulation.chances = Chances()
        for process in self.processes.values():
            process.frozen_until = 0.0
            process.skew *= 0

    def is_settled(self) -> bool:
        """Tell whether nothing is under way any more, as far as anybody can see.

        Looks every few seconds only, at what costs little first.
        """
        if self.simulation.elapsed < self._next_look:
            return False
        self._next_look = self.simulation.elapsed + 5.0
        if self._events_under_way or any(self.broker.lag(*read) for read in _READ):
            return False
        with self.transaction() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM jobs WHERE ended_at IS NULL)"
                " + (SELECT count(*) FROM outbox)"
                " + (SELECT count(*) FROM holds WHERE state = 'open')"
                " + (SELECT count(*) FROM facts_touched)"
            ).fetchone()
        return row is not None and row[0] == 0

    def what_is_left(self) -> list[str]:
        """Say what keeps the world from being settled."""
        left = [
            f"{group} lags {lag} on {topic}"
            for group, topic in _READ
            if (lag := self.broker.lag(group, topic))
        ]
        with self.transaction() as conn:
            for job, state, attempt in conn.execute(
                "SELECT id, state, attempt FROM jobs WHERE ended_at IS NULL ORDER BY id"
            ):
                left.append(f"{job} is {state}, attempt {attempt}")
            for (job,) in conn.execute("SELECT job_id FROM holds WHERE state = 'open' ORDER BY 1"):
                left.append(f"the hold of {job} is open")
            for (count,) in conn.execute("SELECT count(*) FROM outbox HAVING count(*) > 0"):
                left.append(f"the outbox holds {count}")
            for (count,) in conn.execute("SELECT count(*) FROM facts_touched HAVING count(*) > 0"):
                left.append(f"{count} changed minutes were not judged")
        return left

    def _start_again(self, name: str) -> None:
        def start() -> None:
            self.simulation.sleep(0.5 + self.simulation.random.random() * 12)
            self.start(name)

        self.simulation.spawn(self._supervisor, f"start {name}", start)

    def _announce(self, info: ObjectInfo) -> None:
        """Tell of an object as stores do: not while Kafka is away, and not always once."""
        self.put.append((info.key, info.etag))
        simulation, chances = self.simulation, self.simulation.chances
        if self.broker.away:
            simulation.fault("store event lost: broker away")
            return
        if simulation.inject("store event lost", chances.store_event_lost):
            return
        copies = 2 if simulation.inject("store event doubled", chances.duplicate) else 1
        for _ in range(copies):
            if simulation.inject("store event late", chances.store_event_late):
                self._events_under_way += 1
                simulation.spawn(self._storekeeper, "event", lambda: self._tell_late(info))
            else:
                self._tell(info)

    def _tell_late(self, info: ObjectInfo) -> None:
        self.simulation.sleep(self.simulation.random.random() * 120)
        self._events_under_way -= 1
        self._tell(info)

    def _tell(self, info: ObjectInfo) -> None:
        record = {
            "eventName": "ObjectCreated:Put",
            "eventTime": info.last_modified.isoformat(),
            "s3": {
                "bucket": {"name": self.store.bucket},
                "object": {"key": quote_plus(info.key), "size": info.size, "eTag": info.etag},
            },
        }
        body = json.dumps({"Records": [record]}).encode()
        self.broker.append(Message(topics.OBJECT_EVENTS, info.key.encode(), body))
        self.announced.append((info.key, info.etag))
