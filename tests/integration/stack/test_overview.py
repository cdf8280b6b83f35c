import time
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer

from infra.kafka_lag import STREAMS, LagReader
from infra.stack import Stack, open_stack, overview
from infra.stack.errors import StackError
from schemas.topics import USAGE


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with open_stack(tmp_path_factory.mktemp("quiet"), durable=False) as running:
        yield running


def test_lag_counts_what_a_group_has_not_committed(quiet: Stack) -> None:
    bootstrap = quiet.settings().kafka_bootstrap
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for _ in range(5):
        producer.send(USAGE, value=b"x", partition=0).get(10)
    producer.close()
    reader = LagReader(bootstrap)
    try:
        before = {p.topic: p for p in reader.read(STREAMS)}
        assert (before[USAGE].committed, before[USAGE].lag) == (0, 5)
        consumer = KafkaConsumer(
            USAGE,
            bootstrap_servers=bootstrap,
            group_id=STREAMS.name,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=3,
        )
        deadline = time.monotonic() + 20
        while not consumer.poll(timeout_ms=500) and time.monotonic() < deadline:
            pass
        consumer.commit()
        consumer.close()
        after = {p.topic: p for p in reader.read(STREAMS)}
        assert (after[USAGE].committed, after[USAGE].lag) == (3, 2)
    finally:
        reader.close()


def test_what_cannot_be_asked_is_said_and_names_the_server(quiet: Stack) -> None:
    settings = quiet.settings()
    assert overview.jobs_by_state(settings) == {}
    assert overview.outbox_head(settings) is None
    assert overview.store_answers(settings)
    quiet.server("postgres").stop()
    try:
        with pytest.raises(StackError, match=r"cannot count jobs: Postgres at 127\.0\.0\.1"):
            overview.jobs_by_state(settings)
        with pytest.raises(StackError, match=r"cannot see the outbox: Postgres at 127\.0\.0\.1"):
            overview.outbox_head(settings)
        answers = {a.server: a.answers for a in overview.answers(settings, ("kafka", "postgres"))}
        assert answers == {"kafka": True, "postgres": False}
    finally:
        quiet.server("postgres").start()
    quiet.server("kafka").stop()
    try:
        with pytest.raises(StackError, match="cannot read the lag: Kafka"):
            overview.lag(settings)
    finally:
        quiet.server("kafka").start()
