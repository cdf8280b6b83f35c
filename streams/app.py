"""The Faust app, and the one loop that every agent is."""

from collections.abc import Sequence
from typing import Any, Final

import faust

from infra.kafka import HEARTBEAT_S, SESSION_TIMEOUT_S, Message
from infra.kafka_lag import STREAMS
from infra.settings import Settings
from streams.stage import Stage
from streams.supervised import Supervised

BATCH: Final = 1000

BUFFER: Final = 20_480
"""Messages of one stage that wait in this process, at most."""

POLLED: Final = 500
"""Messages that one poll brings, at most.

Faust fetches no more of a partition once four fifths of a stage's buffer are taken. But what it
has polled it puts there; where that does not fit it waits, and no other stage gets anything. So
the last fifth must take a poll of each of the topic's partitions. (With Faust's own values a stage
that stood still before 9,000 messages held up all others; these are as quick.)
"""

FETCHED: Final = 8 * 1024 * 1024
"""Bytes that one fetch brings of a partition, at most.

A broker is asked by one fetch at a time, and Faust lets it wait 1.5 s where nothing is to be had.
So a line on one partition, as one account's is, goes on only every 1.5 s while all others are
empty; with Kafka's own 1 MiB that was some 1,200 messages each time, whoever reads them.
"""


def make_app(settings: Settings, *, name: str = STREAMS.name) -> faust.App:
    """Return the app. Topics are there before it starts; it makes none and serves nothing.

    `name` is its consumers' group, too.
    """
    brokers = ";".join(f"kafka://{broker}" for broker in settings.kafka_bootstrap.split(","))
    return faust.App(
        name,
        broker=brokers,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=settings.data_dir / "faust",
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=0.5,
        broker_max_poll_interval=1000.0,
        broker_max_poll_records=POLLED,
        consumer_max_fetch_size=FETCHED,
        stream_buffer_maxsize=BUFFER,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
    )


def attach(app: faust.App, stage: Stage[Any], supervised: Supervised[Any]) -> None:
    """Let the app carry its stage's topic through, in batches, as raw bytes."""

    async def agent(stream: faust.StreamT[bytes]) -> None:
        async for batch in stream.take_events(BATCH, within=stage.linger_s):
            await supervised([_message(event) for event in batch])

    topic = app.topic(stage.topic, value_type=bytes, value_serializer="raw", key_serializer="raw")
    app.agent(topic, name=stage.name, concurrency=1)(agent)


def _message(event: faust.EventT) -> Message:
    raw = event.message
    headers: Sequence[tuple[str, bytes]] = raw.headers or ()
    return Message(
        topic=raw.topic,
        key=raw.key,
        value=raw.value or b"",
        headers=tuple(headers),
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=int((raw.timestamp or 0) * 1000),
    )
