"""What the streams rely on in a producer: of the real one, and of the one that unit tests use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from infra.kafka import KafkaPythonProducer, Message, Producer
from tests.fakes.recorded_producer import RecordedProducer

if TYPE_CHECKING:
    from infra.stack.isolation import Broker
    from infra.topic_reader import TopicReader

Stored = Callable[[str], Sequence[Message]]


@pytest.fixture(params=["kafka", "recorded"])
def sending(
    request: pytest.FixtureRequest, kafka: Broker, reader: TopicReader
) -> tuple[Producer, Stored]:
    """A producer, and a way to see what it stored on a topic."""
    assert kafka.bootstrap
    if request.param == "kafka":
        real: KafkaPythonProducer = request.getfixturevalue("producer")
        return real, lambda topic: list(reader.read(topic))
    fake = RecordedProducer()
    return fake, lambda topic: [each for each in fake.stored if each.topic == topic]


def test_what_was_sent_is_stored_untouched_when_the_call_returns(
    sending: tuple[Producer, Stored], kafka: Broker
) -> None:
    producer, stored = sending
    topic = kafka.new_topic()
    sent = [
        Message(topic, b"k", bytes(range(256)), (("reason", b"\xff"), ("reason", b"again"))),
        Message(topic, None, b""),
    ]
    producer.send_all(sent)
    assert [(m.key, m.value, m.headers) for m in stored(topic)] == [
        (m.key, m.value, m.headers) for m in sent
    ]


def test_the_order_of_a_key_is_kept_over_calls(
    sending: tuple[Producer, Stored], kafka: Broker
) -> None:
    producer, stored = sending
    topic = kafka.new_topic()
    for call in range(5):
        producer.send_all([Message(topic, b"k", b"%d.%d" % (call, i)) for i in range(50)])
    expected = [b"%d.%d" % (call, i) for call in range(5) for i in range(50)]
    assert [m.value for m in stored(topic)] == expected


def test_a_message_of_over_a_mebibyte_is_refused_and_will_be_again(
    sending: tuple[Producer, Stored], kafka: Broker
) -> None:
    producer, stored = sending
    topic = kafka.new_topic()
    for _ in range(2):
        with pytest.raises(ValueError, match="too large"):
            producer.send_all([Message(topic, b"k", bytes(2**20))])
    assert stored(topic) == []


def test_sending_nothing_is_allowed(sending: tuple[Producer, Stored]) -> None:
    producer, _ = sending
    producer.send_all([])
