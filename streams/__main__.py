"""`python -m streams`: the agents and the tasks beside them, in one process."""

import asyncio
from datetime import timedelta
from typing import Any

import faust
import uvloop

from infra import logs, ready
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import Admin, KafkaPythonProducer
from infra.kafka_lag import STREAMS, Group, LagReader
from infra.object_store import from_settings
from infra.postgres import Alone, open_pool
from infra.settings import Settings, settings
from schemas import topics
from streams.admission import Admission
from streams.app import attach, make_app
from streams.billing import Billing
from streams.dispatcher import Dispatcher, caps
from streams.intake import Intake
from streams.problems import Problems
from streams.reconciler import PassSchedule, Reconciler
from streams.relay import Relay
from streams.results import Results
from streams.stage import Stage
from streams.supervised import Supervised
from streams.sweeper import Sweeper
from streams.tasks import TaskThread
from streams.uploads import Announcer

STOPPING_S = 2.0
"""How long a stop waits for the turn that a task takes."""


def build(config: Settings) -> tuple[faust.App, list[TaskThread]]:
    """Put the process together: every agent attached, every task ready to start."""
    url = config.database_url.get_secret_value()
    clock = SystemClock()
    pool = open_pool(url, size=config.database_pool, name="streams", check=False)
    store = from_settings(config)
    producer = KafkaPythonProducer(config.kafka_bootstrap, client_id="picmend-streams")
    announcer = Announcer(
        pool, store, producer, clock, mask_wait=timedelta(hours=config.mask_wait_hours)
    )
    lifetime = timedelta(days=config.job_lifetime_days)
    stages: list[Stage[Any]] = [
        Intake(announcer, clock, bucket=config.bucket),
        Admission(pool, clock, lifetime),
        Results(pool, clock),
        Billing(pool, clock),
        Problems(store),
    ]
    app = make_app(config)
    dead_letters = DeadLetters(producer, clock)
    for stage in stages:
        attach(app, stage, Supervised(stage, dead_letters))
    tasks = [
        TaskThread(Relay(producer), Alone.RELAY, url),
        TaskThread(Dispatcher(caps(config), clock), Alone.DISPATCHER, url),
        TaskThread(Sweeper(clock, lease=timedelta(seconds=config.lease_s)), Alone.SWEEPER, url),
    ]
    if config.reconciler_enabled:
        admin = Admin(config.kafka_bootstrap)
        behind = LagReader(config.kafka_bootstrap)
        watched = Group(STREAMS.name, (topics.OBJECT_EVENTS, topics.JOB_REQUESTS))
        reconciler = Reconciler(
            store,
            announcer,
            clock,
            PassSchedule(timedelta(seconds=config.reconciler_interval_s)),
            ping=admin.ping,
            lag=lambda: sum(progress.lag for progress in behind.read(watched)),
        )
        tasks.append(TaskThread(reconciler, Alone.RECONCILER, url))
    return app, tasks


def main() -> None:
    """Run until SIGTERM or Ctrl-C; what is in hand is finished first."""
    config = settings()
    logs.configure(config.log_level)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    app, tasks = build(config)
    for task in tasks:
        task.start()
    app.on_partitions_assigned.connect(_tell_ready)
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


async def _tell_ready(*_: object, **__: object) -> None:
    ready.tell()


if __name__ == "__main__":
    main()
