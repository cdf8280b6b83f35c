"""`python -m bench.agents KIND TOPIC`: one Faust agent in a process of its own.

`admission` is the real one, with the judge of the rules beside it; `intake` is the real one;
`unread` is intake with every header at hand, so that the store is not asked; `passing` takes
batches of the same size and does nothing with them. Each prints a line for every batch that is
done: how many messages it had.
"""

import asyncio
import sys
from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import faust
import uvloop
from faust.types import TP

from infra import garbage, logs, ready
from infra.clock import SystemClock
from infra.dead_letters import DeadLetters
from infra.kafka import KafkaPythonProducer, Message
from infra.object_store import S3ObjectStore, from_settings
from infra.postgres import Alone, open_pool
from infra.settings import Settings, settings
from infra.stored_objects import ObjectStore
from streams.admission import Admission
from streams.app import BATCH, attach, make_app
from streams.intake import Intake
from streams.judge import Judge
from streams.stage import Stage
from streams.supervised import Supervised
from streams.tasks import TaskThread
from streams.uploads import Announcer

TOLD: Final = "batch"
"""What stands before the number of messages of a batch."""


class Kind(StrEnum):
    """Which agent."""

    ADMISSION = "admission"
    INTAKE = "intake"
    UNREAD = "unread"
    PASSING = "passing"


class _Told:
    """A stage on a topic that tells of each batch once it is done."""

    def __init__(self, stage: Stage[Any], topic: str) -> None:
        self.name, self.schema, self.linger_s = stage.name, stage.schema, stage.linger_s
        self.topic = topic
        self._stage = stage

    def decode(self, message: Message) -> object:
        """See `Stage`."""
        return self._stage.decode(message)

    def step(self, items: Sequence[object]) -> None:
        """See `Stage`."""
        self._stage.step(items)
        _tell(len(items))


class _AtHand(S3ObjectStore):
    """The store, with the first bytes of every picture under `in/` at hand."""

    head_of_all = b""

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
        if not self.head_of_all:
            type(self).head_of_all = super().get_range(
                key, 0, 1 << 16, if_match=if_match, version_id=version_id
            )
        return self.head_of_all[start:end]


def _tell(messages: int) -> None:
    print(TOLD, messages, flush=True)


def _stage(kind: Kind, config: Settings, producer: KafkaPythonProducer) -> Stage[Any]:
    clock = SystemClock()
    url = config.database_url.get_secret_value()
    pool = open_pool(url, size=config.database_pool, name="bench", check=False)
    if kind is Kind.ADMISSION:
        TaskThread(Judge(clock), Alone.JUDGE, url).start()
        return Admission(pool, clock, timedelta(days=config.job_lifetime_days))
    store: ObjectStore = from_settings(config)
    if kind is Kind.UNREAD:
        store = _AtHand(
            endpoint=config.s3_endpoint,
            access_key=config.s3_access_key.get_secret_value(),
            secret_key=config.s3_secret_key.get_secret_value(),
            bucket=config.bucket,
            region=config.s3_region,
        )
    announcer = Announcer(
        pool, store, producer, clock, mask_wait=timedelta(hours=config.mask_wait_hours)
    )
    return Intake(announcer, clock, bucket=config.bucket)


def _app(kind: Kind, topic: str, config: Settings) -> faust.App:
    app = make_app(config, name=f"bench-{kind}")
    if kind is not Kind.PASSING:
        producer = KafkaPythonProducer(config.kafka_bootstrap, client_id="picmend-bench")
        stage = _Told(_stage(kind, config, producer), topic)
        attach(app, stage, Supervised(stage, DeadLetters(producer, SystemClock())))
        return app
    raw = app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw")

    async def agent(stream: faust.StreamT[bytes]) -> None:
        async for batch in stream.take_events(BATCH, within=Admission.linger_s):
            _tell(len(batch))

    app.agent(raw, name=kind, concurrency=1)(agent)
    return app


def main() -> None:
    """Run until SIGTERM."""
    config = settings()
    logs.configure("WARNING")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    kind, topic = sys.argv[1:]
    app = _app(Kind(kind), topic, config)

    def assigned(_: object, now: Collection[TP], **__: object) -> None:
        if now:
            ready.tell(kind)

    app.on_partitions_assigned.connect(assigned, weak=False)
    garbage.settle()
    faust.Worker(
        app, loglevel="WARNING", override_logging=False, quiet=True, redirect_stdouts=False
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
