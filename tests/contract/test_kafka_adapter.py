"""What the pipeline relies on in Kafka, asked of the real broker."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from infra.kafka import Admin, KafkaPythonConsumer, KafkaPythonProducer, Message
from infra.kafka_topics import TopicSpec
from infra.stack.isolation import Broker

Reader = Callable[..., KafkaPythonConsumer]


@pytest.fixture
def producer(kafka: Broker) -> Iterator[KafkaPythonProducer]:
    producer = KafkaPythonProducer(kafka.bootstrap, client_id="contract")
    yield producer
    producer.close()


@pytest.fixture
def admin(kafka: Broker) -> Iterator[Admin]:
    admin = Admin(kafka.bootstrap)
    yield admin
    admin.close()


@pytest.fixture
def read(kafka: Broker) -> Iterator[Reader]:
    opened: list[KafkaPythonConsumer] = []

    def open_consumer(*topics: str, group: str) -> KafkaPythonConsumer:
        consumer = KafkaPythonConsumer(kafka.bootstrap, topics, group=group, client_id="contract")
        opened.append(consumer)
        return consumer

    yield open_consumer
    for consumer in opened:
        consumer.close()


def gather(consumer: KafkaPythonConsumer, count: int, *, within_s: float = 30) -> list[Message]:
    got: list[Message] = []
    deadline = time.monotonic() + within_s
    while len(got) < count and time.monotonic() < deadline:
        got += consumer.poll(0.2)
    return got


def test_what_was_sent_arrives_whole_and_in_order_of_its_key(
    kafka: Broker, producer: KafkaPythonProducer, read: Reader
) -> None:
    topic = kafka.new_topic(like=TopicSpec("x", timedelta(days=1), partitions=4))
    sent = [
        Message(topic, b"key-%d" % (i % 5), b"value-%d" % i, (("reason", b"\xff\x00"),))
        for i in range(500)
    ]
    producer.send_all(sent)
    got = gather(read(topic, group="whole"), len(sent))
    assert sorted((m.key, m.value, m.headers) for m in got) == sorted(
        (m.key, m.value, m.headers) for m in sent
    )
    for key in {m.key for m in sent}:
        assert [m.value for m in got if m.key == key] == [m.value for m in sent if m.key == key]


def test_a_group_goes_on_behind_what_it_committed(
    kafka: Broker, producer: KafkaPythonProducer, read: Reader
) -> None:
    topic = kafka.new_topic()
    producer.send_all([Message(topic, b"k", b"%d" % i) for i in range(10)])
    first = read(topic, group="commits")
    got = gather(first, 10)
    first.commit(got[:4])
    first.close()
    again = gather(read(topic, group="commits"), 6)
    assert [m.value for m in again] == [b"%d" % i for i in range(4, 10)]


def test_a_topic_that_is_held_back_gives_nothing_until_it_is_released(
    kafka: Broker, producer: KafkaPythonProducer, read: Reader
) -> None:
    held, free = kafka.new_topic("held"), kafka.new_topic("free")
    consumer = read(held, free, group="holds")
    consumer.hold_back({held})
    producer.send_all([Message(held, b"k", b"held"), Message(free, b"k", b"free")])
    assert [m.value for m in gather(consumer, 1)] == [b"free"]
    assert consumer.poll(0.3) == []
    consumer.hold_back(set())
    assert [m.value for m in gather(consumer, 1)] == [b"held"]


def test_the_broker_answers_a_ping(admin: Admin) -> None:
    admin.ping()
