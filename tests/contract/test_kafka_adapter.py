"""What the pipeline relies on in Kafka, asked of the real broker and of its model."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Protocol

import pytest

from infra.kafka import (
    Admin,
    Consumer,
    KafkaPythonConsumer,
    KafkaPythonProducer,
    Message,
    Producer,
)
from infra.kafka_topics import TopicSpec
from infra.stack.isolation import Broker
from tests.simulation.kafka_model import Broker as ModelBroker
from tests.simulation.kafka_model import ModelConsumer, ModelProducer


class Reader(Consumer, Protocol):
    def close(self) -> None: ...


class Kafka(Protocol):
    """A broker, as these questions need it."""

    def new_topic(self, name: str = "test") -> str: ...

    def producer(self) -> Producer: ...

    def consumer(self, *topics: str, group: str, name: str = "a") -> Reader: ...


class RealKafka:
    """The broker of the stack."""

    def __init__(self, broker: Broker, closing: ExitStack) -> None:
        self._broker = broker
        self._closing = closing

    def new_topic(self, name: str = "test") -> str:
        return self._broker.new_topic(name, like=TopicSpec(name, timedelta(days=1), partitions=4))

    def producer(self) -> Producer:
        producer = KafkaPythonProducer(self._broker.bootstrap, client_id="contract")
        self._closing.callback(producer.close)
        return producer

    def consumer(self, *topics: str, group: str, name: str = "a") -> Reader:
        consumer = KafkaPythonConsumer(self._broker.bootstrap, topics, group=group, client_id=name)
        self._closing.callback(consumer.close)
        return consumer


class ModelKafka:
    """The simulator's broker, on the machine's time."""

    def __init__(self) -> None:
        self._broker = ModelBroker(time.monotonic)
        self._members = 0

    def new_topic(self, name: str = "test") -> str:
        return name

    def producer(self) -> Producer:
        return ModelProducer(self._broker)

    def consumer(self, *topics: str, group: str, name: str = "a") -> Reader:
        self._members += 1
        return ModelConsumer(
            self._broker, topics, group=group, member=f"{name}-{self._members}", wait=time.sleep
        )


@pytest.fixture(params=["real", "model"])
def broker(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    if request.param == "model":
        yield ModelKafka()
        return
    with ExitStack() as closing:
        yield RealKafka(request.getfixturevalue("kafka"), closing)


@pytest.fixture
def admin(kafka: Broker) -> Iterator[Admin]:
    admin = Admin(kafka.bootstrap)
    yield admin
    admin.close()


def gather(consumer: Consumer, count: int, *, within_s: float = 30) -> list[Message]:
    got: list[Message] = []
    deadline = time.monotonic() + within_s
    while len(got) < count and time.monotonic() < deadline:
        got += consumer.poll(0.2)
    return got


def test_what_was_sent_arrives_whole_and_in_order_of_its_key(broker: Kafka) -> None:
    topic = broker.new_topic()
    sent = [
        Message(topic, b"key-%d" % (i % 5), b"value-%d" % i, (("reason", b"\xff\x00"),))
        for i in range(500)
    ]
    broker.producer().send_all(sent)
    got = gather(broker.consumer(topic, group="whole"), len(sent))
    assert sorted((m.key, m.value, m.headers) for m in got) == sorted(
        (m.key, m.value, m.headers) for m in sent
    )
    for key in {m.key for m in sent}:
        assert [m.value for m in got if m.key == key] == [m.value for m in sent if m.key == key]


def test_a_group_goes_on_behind_what_it_committed(broker: Kafka) -> None:
    topic = broker.new_topic()
    broker.producer().send_all([Message(topic, b"k", b"%d" % i) for i in range(10)])
    first = broker.consumer(topic, group="commits")
    got = gather(first, 10)
    first.commit(got[:4])
    first.close()
    again = gather(broker.consumer(topic, group="commits"), 6)
    assert [m.value for m in again] == [b"%d" % i for i in range(4, 10)]


def test_the_partitions_of_one_that_leaves_are_read_by_the_other(broker: Kafka) -> None:
    topic = broker.new_topic()
    first = broker.consumer(topic, group="shared")
    second = broker.consumer(topic, group="shared")
    producer = broker.producer()

    def arrives(readers: Sequence[Consumer], values: set[bytes]) -> bool:
        producer.send_all([Message(topic, value, value) for value in sorted(values)])
        deadline = time.monotonic() + 60
        got: set[bytes] = set()
        while not values <= got and time.monotonic() < deadline:
            for reader in readers:
                got |= {message.value for message in reader.poll(0.1)}
        return values <= got

    assert arrives([first, second], {b"a%d" % i for i in range(20)})
    first.close()
    assert arrives([second], {b"b%d" % i for i in range(20)})


def test_what_was_done_before_a_rebalance_does_not_take_the_group_back(broker: Kafka) -> None:
    topic = broker.new_topic()
    broker.producer().send_all([Message(topic, b"k", b"%d" % i) for i in range(10)])
    slow = broker.consumer(topic, group="returns", name="b")
    done = gather(slow, 10)[:1]
    # Partitions are shared out in the order of names: this one gets that of the messages.
    others = [broker.consumer(topic, group="returns", name=f"a{n}") for n in range(4)]
    deadline = time.monotonic() + 60
    taken: list[Message] = []
    while len(taken) < 10 and time.monotonic() < deadline:
        slow.poll(0.05)
        for other in others:
            came = other.poll(0.05)
            other.commit(came)
            taken += came
    assert [m.value for m in taken] == [b"%d" % i for i in range(10)]
    for other in others:
        other.close()
    # It has the partition again, once it has noticed that the others left.
    broker.producer().send_all([Message(topic, b"k", b"new")])
    assert [m.value for m in gather(slow, 1, within_s=60)] == [b"new"]
    slow.commit(done)
    slow.close()
    again = gather(broker.consumer(topic, group="returns"), 2, within_s=5)
    assert [m.value for m in again] == [b"new"]


def test_a_topic_that_is_held_back_gives_nothing_until_it_is_released(broker: Kafka) -> None:
    held, free = broker.new_topic("held"), broker.new_topic("free")
    consumer = broker.consumer(held, free, group="holds")
    consumer.hold_back({held})
    broker.producer().send_all([Message(held, b"k", b"held"), Message(free, b"k", b"free")])
    assert [m.value for m in gather(consumer, 1)] == [b"free"]
    assert consumer.poll(0.3) == []
    consumer.hold_back(set())
    assert [m.value for m in gather(consumer, 1)] == [b"held"]


def test_a_message_that_no_topic_takes_is_refused_here(broker: Kafka) -> None:
    topic = broker.new_topic()
    with pytest.raises(ValueError, match="too large"):
        broker.producer().send_all([Message(topic, b"k", bytes(3 * 1024 * 1024))])


def test_the_broker_answers_a_ping(admin: Admin) -> None:
    admin.ping()
