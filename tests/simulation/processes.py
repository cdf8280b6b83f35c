"""picmend's processes, put together as their `__main__` does, on the simulated servers."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from domain.jobs.workers import BEAT_S
from infra.dead_letters import DeadLetters
from infra.kafka import BrokerUnavailableError
from infra.kafka_lag import STREAMS, WORKERS
from infra.postgres import Alone
from infra.world import WORLD_ERRORS
from processors.worker.__main__ import Claims
from processors.worker.execute import Executor, Outcome
from processors.worker.leases import Lease, Leases
from processors.worker.loop import Worker
from processors.worker.presence import Presence
from schemas import topics
from schemas.operations import OperationName
from streams.admission import Admission
from streams.billing import Billing
from streams.dispatcher import Dispatcher
from streams.intake import Intake
from streams.judge import Judge
from streams.problems import Problems
from streams.reconciler import PassSchedule, Reconciler
from streams.relay import Relay
from streams.results import Results
from streams.supervised import Patience, Supervised
from streams.sweeper import Sweeper
from streams.uploads import Announcer
from tests.simulation.pictures import DirectDecoder, ScriptedRestorer
from tests.simulation.ports import Consumer, Database, Producer, Store
from tests.simulation.scheduler import FibrePool, InTurn, Process, SimCondition, SimTime

if TYPE_CHECKING:
    from infra.kafka import Message
    from streams.stage import Stage
    from streams.tasks import Task
    from tests.simulation.world import World

LIFETIME: Final = timedelta(days=7)
MASK_WAIT: Final = timedelta(hours=24)
LEASE_S: Final = 15.0
RENEWAL_S: Final = 5.0
SLOTS: Final = {
    OperationName.UPSCALE: 1,
    OperationName.INPAINT: 1,
    OperationName.IDENTITY: 2,
}
_JUDGE_IDLES: Final = 4
"""How many times as long as others it waits: each of its turns asks much of the database."""
_STAGES: Final = ("intake", "admission", "results", "billing", "problems")


def group_of(stage: str) -> str:
    """Return the consumer group of a stage: Faust reads all with one, each topic by itself."""
    return f"{STREAMS.name}-{stage}"


class Streams:
    """The streams process: a fibre per agent and per task."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._simulation = simulation = world.simulation
        self._process = process
        self._time = time = SimTime(simulation, process)
        self._producer = Producer(simulation, world.broker)
        database = Database(simulation, world.connections)
        self._database = database
        store = Store(simulation, world.store, lambda: world.store_away)
        announcer = Announcer(
            database, store, self._producer, time, mask_wait=MASK_WAIT, readers=InTurn()
        )
        stages: list[Stage[Any]] = [
            Intake(announcer, time, bucket=store.bucket),
            Admission(database, time, LIFETIME),
            Results(database, store, time),
            Billing(database, time),
            Problems(store, writers=InTurn()),
        ]
        for stage in stages:
            simulation.spawn(process, stage.name, partial(self._agent, stage))
        tasks: list[tuple[str, Task, Alone]] = [
            ("relay", Relay(self._producer), Alone.RELAY),
            (
                "dispatcher",
                Dispatcher({name: 2 * slots for name, slots in SLOTS.items()}, time),
                Alone.DISPATCHER,
            ),
            ("sweeper", Sweeper(time, lease=timedelta(seconds=LEASE_S)), Alone.SWEEPER),
            ("judge", Judge(time), Alone.JUDGE),
            (
                "reconciler",
                Reconciler(
                    store,
                    announcer,
                    time,
                    PassSchedule(timedelta(seconds=60)),
                    ping=world.broker.require,
                    lag=lambda: sum(
                        world.broker.lag(group_of(name), topic)
                        for name, topic in (
                            ("intake", topics.OBJECT_EVENTS),
                            ("admission", topics.JOB_REQUESTS),
                        )
                    ),
                ),
                Alone.RECONCILER,
            ),
        ]
        for name, task, lock in tasks:
            simulation.spawn(process, name, partial(self._task, task, lock))

    def _agent(self, stage: Stage[Any]) -> None:
        """What Faust does: read, let the batch be carried through, acknowledge now and then."""
        simulation = self._simulation
        supervised = Supervised(
            stage,
            DeadLetters(self._producer, self._time),
            patience=Patience(world_s=simulation.random.choice((1.0, 120.0))),
            time=self._time,
            give_up=simulation.die,
        )
        consumer = Consumer(
            simulation,
            self._world.broker,
            [stage.topic],
            group_of(stage.name),
            self._process.name,
        )
        done: list[Message] = []
        while not self._process.stopping:
            try:
                batch = consumer.poll(simulation.random.random() * 3)
                if batch:
                    supervised.carry_through(batch)
                    done += batch
                if not batch or simulation.chance(0.5):
                    consumer.commit(done)
                    done = []
            except BrokerUnavailableError:
                done = []
                self._time.sleep(0.5)
        self._stop(consumer, done)

    def _stop(self, consumer: Consumer, done: list[Message]) -> None:
        """End in order: acknowledge what is done, leave the group."""
        with suppress(BrokerUnavailableError):
            consumer.commit(done)
        consumer.close()
        self._process.ended += 1
        if self._process.ended == len(_STAGES):
            self._simulation.note("stopped in order")
            self._simulation.die()

    def _task(self, task: Task, lock: Alone) -> None:
        """What `streams.tasks.TaskThread` does."""
        idle = _JUDGE_IDLES if lock is Alone.JUDGE else 1
        while True:
            try:
                with self._database.alone(int(lock)) as conn:
                    while conn is not None:
                        if not task.step(conn):
                            self._time.sleep(self._world.idle_s() * idle)
                self._time.sleep(self._world.standby_s())
            except WORLD_ERRORS:
                self._time.sleep(1.0)


class WatchedExecutor(Executor):
    """An executor that tells of each attempt it starts."""

    def __init__(self, world: World, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._world = world

    @override
    def run(self, lease: Lease) -> Outcome:
        self._world.started.append((lease.job.id, lease.job.attempt))
        return super().run(lease)


class WorkerProcess:
    """The worker process: its loop, its renewals, and a fibre per attempt."""

    def __init__(self, world: World, process: Process) -> None:
        self._simulation = simulation = world.simulation
        self._process = process
        self._time = time = SimTime(simulation, process)
        claims = Claims(
            Database(simulation, world.connections),
            time,
            worker=process.name,
            lease=timedelta(seconds=LEASE_S),
        )
        self._leases = leases = Leases(
            claims.renew,
            time,
            lease_s=LEASE_S,
            renewal_s=RENEWAL_S,
            hand_back=claims.hand_back,
        )
        self._presence = Presence(
            Database(simulation, world.connections), time, worker=process.name, slots=SLOTS
        )
        self._consumer = Consumer(
            simulation, world.broker, WORKERS.topics, WORKERS.name, process.name
        )
        executor = WatchedExecutor(
            world,
            Store(simulation, world.store, lambda: world.store_away),
            leases,
            DirectDecoder(),
            ScriptedRestorer(simulation),
            time,
            max_bytes=1 << 20,
        )
        self._worker = Worker(
            process.name,
            self._consumer,
            Producer(simulation, world.broker),
            claim=claims.claim,
            leases=leases,
            executor=executor,
            time=time,
            slots=SLOTS,
            threads=FibrePool(simulation, process, "attempt"),
            freed=SimCondition(simulation),
        )
        simulation.spawn(process, "worker", self._work)
        simulation.spawn(process, "leases", self._renew)
        simulation.spawn(process, "presence", self._tell)

    def _work(self) -> None:
        while not self._process.stopping:
            self._worker.step()
        if not self._worker.drain(8.0):
            self._leases.hand_back_all()
        self._consumer.close()
        self._simulation.note("stopped in order")
        self._simulation.die()

    def _tell(self) -> None:
        while True:
            self._presence.beat()
            self._time.sleep(BEAT_S)

    def _renew(self) -> None:
        while True:
            self._time.sleep(RENEWAL_S)
            self._leases.renew_all()
