"""Every message delivered twice and out of order changes nothing."""

import random
from collections.abc import Iterator

import pytest

from infra.kafka import KafkaPythonProducer, Message
from infra.kafka_lag import STREAMS, WORKERS, LagReader
from infra.kafka_topics import SOURCE_TOPICS
from infra.stack import Running
from infra.topic_reader import TopicReader
from tests.e2e.customer import Customer, customer_of, picture, wait_until

JOBS = 30


@pytest.fixture
def customer(system: Running) -> Iterator[Customer]:
    with customer_of(system) as customer:
        yield customer


def everything_on_kafka(bootstrap: str) -> list[Message]:
    """Return every message of every topic that our processes read."""
    reader = TopicReader(bootstrap, client_id="copy")
    try:
        return [message for topic in SOURCE_TOPICS for message in reader.read(topic.name)]
    finally:
        reader.close()


def test_every_event_twice_and_out_of_order_charges_once(customer: Customer) -> None:
    uploads = [customer.upload("identity", f"{n}.png", picture(seed=n)) for n in range(JOBS)]
    bad = customer.upload("identity", "bad.png", b"not a picture")
    customer.wait_ended([*uploads, bad])
    wait_until(lambda: len(customer.outputs()) == JOBS + 1, within_s=20, what="a problem file too")
    jobs_before, balance_before = customer.jobs(), customer.balance()

    messages = everything_on_kafka(customer.settings.kafka_bootstrap)
    assert len(messages) >= JOBS * 6
    again = [Message(m.topic, m.key, m.value, m.headers) for m in messages]
    random.Random(7).shuffle(again)
    producer = KafkaPythonProducer(customer.settings.kafka_bootstrap, client_id="again")
    producer.send_all(again)
    producer.close()
    fresh = customer.upload("identity", "after.png", picture(seed=999))
    customer.wait_ended([fresh])
    behind = LagReader(customer.settings.kafka_bootstrap)
    wait_until(
        lambda: sum(p.lag for group in (STREAMS, WORKERS) for p in behind.read(group)) == 0,
        within_s=60,
        what="all repeats read",
    )
    behind.close()

    jobs = customer.jobs()
    del jobs[fresh]
    assert jobs == jobs_before
    assert len(customer.outputs()) == JOBS + 2
    assert customer.balance().available == balance_before.available - 1
    customer.assert_charged_exactly_once([*uploads, fresh], each=1)
