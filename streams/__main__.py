"""`python -m streams`: the agents and the tasks beside them, in one process."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

import faust
import uvloop
from faust.types import TP
from prometheus_client import REGISTRY

from domain.pipeline.resolve import ClockWindow
from infra import garbage, logs, metrics, tracing
from infra.allowances import KafkaAllowances
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.ending import end_soon
from infra.halts import Halts
from infra.kafka import Admin, KafkaPythonProducer
from infra.kafka_lag import STREAMS, Group, LagReader
from infra.monitor import Monitor
from infra.object_store import from_settings
from infra.postgres import Alone, open_pool
from infra.pulse import LOOP_S, Pulse
from infra.refusals import Gate, cap_of
from infra.schema_version import require_schema
from infra.settings import Settings, settings
from schemas import topics
from streams.admission import Admission
from streams.app import attach, make_app
from streams.billing import Billing
from streams.dispatcher import Dispatcher, caps
from streams.intake import Intake
from streams.judge import Judge
from streams.problems import Problems
from streams.reconciler import PassSchedule, Reconciler
from streams.relay import Relay
from streams.results import Results
from streams.scraped import Scraped
from streams.stage import Stage
from streams.supervised import Supervised
from streams.sweeper import Sweeper
from streams.tasks import TaskThread
from streams.uploads import Announcer

STOPPING_S = 2.0
"""How long a stop waits for the turn that a task takes."""

PAGE_S = 120.0
"""How long the reconciler may take for one page of its listing, headers read."""

_BEAT_S = 1.0

Carry = Callable[[Stage[Any], DeadLetters], Supervised[Any]]
"""Makes what carries the batches of one stage through."""


def build(
    config: Settings, *, carry: Carry | None = None, halts: Halts | None = None
) -> tuple[faust.App, list[TaskThread]]:
    """Put the process together: every agent attached, every task ready to start.

    `halts` will tell which topics it does not read on.
    """
    url = config.database_url.get_secret_value()
    clock = SystemClock()
    pool = open_pool(url, size=config.database_pool, name="streams", check=False)
    store = from_settings(config)
    producer = KafkaPythonProducer(config.kafka_bootstrap, client_id="picmend-streams")
    announcer = Announcer(
        pool,
        store,
        producer,
        clock,
        mask_wait=timedelta(hours=config.mask_wait_hours),
        max_bytes=config.max_image_bytes,
    )
    lifetime = timedelta(days=config.job_lifetime_days)
    stages: list[Stage[Any]] = [
        Intake(announcer, clock, bucket=config.bucket),
        Admission(pool, clock, lifetime, window=_clock_window(config)),
        Results(pool, store, clock),
        Billing(pool, clock),
        Problems(store),
    ]
    app = make_app(config)
    dead_letters = DeadLetters(producer, clock)
    carry = carry or _carrying(config, halts or Halts())
    for stage in stages:
        attach(app, stage, carry(stage, dead_letters))
    tasks = [
        TaskThread(Relay(producer), Alone.RELAY, url),
        TaskThread(Dispatcher(caps(config), clock), Alone.DISPATCHER, url),
        TaskThread(Sweeper(clock, lease=timedelta(seconds=config.lease_s)), Alone.SWEEPER, url),
        TaskThread(Judge(clock), Alone.JUDGE, url),
    ]
    if config.reconciler_enabled:
        admin = Admin(config.kafka_bootstrap)
        behind = LagReader(config.kafka_bootstrap)
        watched = Group(STREAMS.name, (topics.OBJECT_EVENTS, topics.JOB_REQUESTS))
        pulse = Pulse("reconciler", within_s=PAGE_S)
        reconciler = Reconciler(
            store,
            announcer,
            clock,
            PassSchedule(timedelta(seconds=config.reconciler_interval_s)),
            ping=admin.ping,
            lag=lambda: sum(progress.lag for progress in behind.read(watched)),
            beat=pulse.beat,
        )
        tasks.append(TaskThread(reconciler, Alone.RECONCILER, url, pulse=pulse))
    return app, tasks


def _clock_window(config: Settings) -> ClockWindow:
    return ClockWindow(
        behind=timedelta(days=config.upload_age_days),
        ahead=timedelta(minutes=config.upload_ahead_minutes),
    )


def _carrying(config: Settings, halts: Halts) -> Carry:
    clock = SystemClock()
    cap, allowances = cap_of(config), KafkaAllowances(config.kafka_bootstrap, clock)

    def carry(stage: Stage[Any], dead_letters: DeadLetters) -> Supervised[Any]:
        gate = Gate(stage.name, stage.topic, clock, cap=cap, allowances=allowances, halts=halts)
        return Supervised(stage, dead_letters, gate=gate)

    return carry


def main() -> None:
    """Run until SIGTERM or Ctrl-C; what is in hand is finished first."""
    config = settings()
    logs.configure(config.log_level)
    metrics.introduce("streams")
    require_schema(config.database_url.get_secret_value())
    with (
        tracing.sending(config.traces_endpoint, process="streams"),
        Monitor(host=config.monitor_host, port=config.monitor_port) as monitor,
    ):
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        halts = Halts()
        monitor.watch_halts(halts)
        app, tasks = build(config, halts=halts)
        REGISTRY.register(_scraped(config))
        garbage.settle()
        run(config, monitor, app, tasks)


def _scraped(config: Settings) -> Scraped:
    # Connections of its own: a scrape takes none from the stages, nor waits for one of theirs.
    url = config.database_url.get_secret_value()
    pool = open_pool(url, size=2, name="scrape", check=False)
    return Scraped(
        pool,
        config.kafka_bootstrap,
        SystemClock(),
        data_dir=config.data_dir,
        least_caps=caps(config),
    )


def run(config: Settings, monitor: Monitor, app: faust.App, tasks: Sequence[TaskThread]) -> None:
    """Run what was put together, watched by `monitor`, until SIGTERM or Ctrl-C."""
    _watch(monitor, app)
    for task in tasks:
        monitor.watch(task.pulse)
        task.start()
    worker = faust.Worker(
        app, loglevel=config.log_level, override_logging=False, quiet=True, redirect_stdouts=False
    )
    try:
        worker.execute_from_commandline()
    finally:
        for task in tasks:
            task.stop()
        for task in tasks:
            task.join(STOPPING_S)
        # When an agent raised SystemExit, Faust leaves a thread behind that never ends.
        end_soon()


def _watch(monitor: Monitor, app: faust.App) -> None:
    """Let the monitor know whether the event loop turns, and which partitions are this app's."""
    pulse = Pulse("event-loop", within_s=LOOP_S)
    monitor.watch(pulse)

    async def beat() -> None:
        while not app.should_stop:
            pulse.beat()
            await asyncio.sleep(_BEAT_S)

    def assigned(_: object, now: Collection[TP], **__: object) -> None:
        monitor.consumes((at.topic, at.partition) for at in now)
        monitor.tell_ready()

    def revoked(*_: object, **__: object) -> None:
        monitor.consumes(None)

    app.task(beat)
    app.on_partitions_assigned.connect(assigned)
    app.on_partitions_revoked.connect(revoked)


if __name__ == "__main__":
    main()
