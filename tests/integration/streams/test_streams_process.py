"""The real process: garbage on its topics, and SIGTERM in mid-batch while uploads flow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from domain.accounts.model import AccountKind
from domain.billing import service as billing
from domain.pipeline.enrol import enrol
from infra.clock import SystemClock
from infra.dead_letters import LetterBox
from infra.kafka import KafkaPythonProducer, Message
from infra.kafka_lag import STREAMS
from infra.object_store import S3ObjectStore, from_settings
from infra.stack import Running, running
from infra.topic_reader import TopicReader
from schemas import events, keys, topics
from tests.integration.streams.streams_world import job_request, png, until

if TYPE_CHECKING:
    from schemas.ids import AccountId

UPLOADS = 300
STOPS = 3


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # Without the reconciler, which would find what was lost.
    env = {"PICMEND_RECONCILER_ENABLED": "false"}
    place = tmp_path_factory.mktemp("streams")
    with running(place, processes=("streams",), env=env, durable=False) as system:
        yield system


@pytest.fixture
def url(system: Running) -> str:
    return system.settings().database_url.get_secret_value()


@pytest.fixture
def account(url: str) -> AccountId:
    clock = SystemClock()
    with psycopg.connect(url) as conn:
        made = enrol(conn, name="A client", kind=AccountKind.COMPANY, unit="CNY", clock=clock)
        billing.top_up(conn, made.account.id, 1_000_000, key="first", at=clock.now())
    return made.account.id


@pytest.fixture
def own_producer(system: Running) -> Iterator[KafkaPythonProducer]:
    producer = KafkaPythonProducer(system.settings().kafka_bootstrap, client_id="test")
    yield producer
    producer.close()


@pytest.fixture
def letter_box(system: Running) -> Iterator[LetterBox]:
    reader = TopicReader(system.settings().kafka_bootstrap, client_id="test")
    yield LetterBox(reader)
    reader.close()


def test_garbage_on_any_topic_is_dead_and_what_comes_behind_it_is_done(
    system: Running,
    url: str,
    account: AccountId,
    own_producer: KafkaPythonProducer,
    letter_box: LetterBox,
) -> None:
    garbage = f"garbage of {account} \x00\x1b[2J".encode()
    own_producer.send_all([Message(topic, b"k", garbage) for topic in STREAMS.topics])

    def dead() -> list[str]:
        return [
            letter.source
            for topic in STREAMS.topics
            for letter in letter_box.open(topic)
            if letter.message.value == garbage
        ]

    until(lambda: sorted(dead()) == sorted(STREAMS.topics))
    store = from_settings(system.settings())
    upload(store, account, 1)
    store.close()
    until(lambda: decided(url, account) == 1)


def test_u_0000_in_one_of_500_requests_is_dead_alone_and_the_others_are_decided(
    url: str, account: AccountId, own_producer: KafkaPythonProducer, letter_box: LetterBox
) -> None:
    requests = [request(account, f"photo-{number}") for number in range(500)]
    requests[250] = replace(
        requests[250], value=requests[250].value.replace(b"photo-250", b"photo\\u0000")
    )

    own_producer.send_all(requests)

    until(lambda: decided(url, account) == 499)
    mine = account.encode()

    def dead() -> list[bytes]:
        letters = letter_box.open(topics.JOB_REQUESTS)
        return [letter.message.value for letter in letters if letter.message.key == mine]

    until(lambda: dead() == [requests[250].value])
    assert decided(url, account) == 499


def test_a_stop_waits_for_the_batch_and_three_of_them_in_300_uploads_lose_none(
    system: Running, url: str, account: AccountId
) -> None:
    store = from_settings(system.settings())
    streams = system.process("streams")
    with ThreadPoolExecutor(9) as hands:
        for stop in range(STOPS):
            share = range(stop * UPLOADS // STOPS, (stop + 1) * UPLOADS // STOPS)
            with admission_held_up(url, account):
                uploads = [hands.submit(upload, store, account, number) for number in share]
                until(lambda: admission_waits(url))
                before = decided(url, account)
                stopping = hands.submit(streams.stop)
                with pytest.raises(TimeoutError):
                    stopping.result(timeout=0.5)
            stopping.result()
            assert decided(url, account) > before
            streams.start()
            streams.wait_ready()
            for each in uploads:
                each.result()
    until(lambda: decided(url, account) == UPLOADS, timeout_s=30)
    store.close()


def request(account: AccountId, path: str) -> Message:
    """Return the message that asks for the job of an upload."""
    at = SystemClock().now()
    event = events.job_requested(job_request(account, path, at=at), at=at)
    return Message(topics.JOB_REQUESTS, account.encode(), event.encode())


def upload(store: S3ObjectStore, account: AccountId, number: int) -> None:
    store.put(keys.input_key(account, "identity", f"{number}.png"), png(), "image/png")


@contextmanager
def admission_held_up(url: str, account: AccountId) -> Iterator[None]:
    """Lock the account that every batch of admission must lock."""
    with psycopg.connect(url) as conn:
        conn.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", (account,))
        yield


def admission_waits(url: str) -> bool:
    return (
        _number(
            url,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'picmend-streams' AND wait_event_type = 'Lock'",
        )
        > 0
    )


def decided(url: str, account: AccountId) -> int:
    """Return how many jobs an account has."""
    return _number(url, "SELECT count(*) FROM jobs WHERE account_id = %s", account)


def _number(url: str, query: str, *values: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])
