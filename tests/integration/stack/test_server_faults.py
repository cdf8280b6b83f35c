import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import psutil
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer
from minio import Minio

from infra.kafka import BrokerUnavailableError, KafkaPythonProducer, Message
from infra.kafka_topics import TOPICS, create_topics
from infra.stack import Stack, open_stack
from infra.stack.child import Command
from infra.stack.errors import AlreadyRunningError, PortTakenError, ServerFailedError
from infra.stack.native_postgres import (
    APPLICATION,
    PostgresAccess,
    create_roles,
    postgres_plan,
)
from infra.stack.ports import reserved_block
from infra.stack.server import NativeServer, Server, ServerPlan
from infra.stack.unprivileged import Way
from schemas.topics import JOB_REQUESTS, OBJECT_EVENTS


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with open_stack(tmp_path_factory.mktemp("faults"), durable=False) as running:
        yield running


def client(stack: Stack) -> Minio:
    settings = stack.settings()
    return Minio(
        settings.s3_endpoint.removeprefix("http://"),
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=False,
    )


def test_topics_are_made_once_and_found_afterwards(own_stack: Stack) -> None:
    again = create_topics(own_stack.settings().kafka_bootstrap)
    assert again.made == ()
    assert set(again.present) == {topic.name for topic in TOPICS}


def test_a_killed_kafka_comes_back_on_its_port_with_its_messages(own_stack: Stack) -> None:
    bootstrap = own_stack.settings().kafka_bootstrap
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    producer.send(JOB_REQUESTS, value=b"kept").get(10)
    producer.close()
    kafka = own_stack.server("kafka")
    kafka.kill()
    assert not kafka.ready()
    kafka.start()
    consumer = KafkaConsumer(
        JOB_REQUESTS,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    assert next(consumer).value == b"kept"
    consumer.close()


def test_a_producer_sends_again_once_a_broker_was_frozen_for_longer_than_it_waits(
    own_stack: Stack,
) -> None:
    bootstrap = own_stack.settings().kafka_bootstrap
    producer = KafkaPythonProducer(bootstrap, client_id="test", patience_s=2.0)
    message = Message(JOB_REQUESTS, b"k", b"x")
    producer.send_all([message])
    with frozen(own_stack.server("kafka")):
        # The first one is in flight when it runs out of time, the second finds nobody.
        for _ in range(2):
            with pytest.raises(BrokerUnavailableError):
                producer.send_all([message])
    deadline = time.monotonic() + 15
    while True:
        try:
            producer.send_all([message])
        except BrokerUnavailableError:
            assert time.monotonic() < deadline
        else:
            break
    threads = [thread.name for thread in threading.enumerate() if "test-network" in thread.name]
    assert len(threads) == 1
    producer.close()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    identity = server.identity()
    assert identity is not None
    processes = [psutil.Process(identity.pid)]
    processes += processes[0].children(recursive=True)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_a_killed_postgres_comes_back_on_its_port_with_its_rows(own_stack: Stack) -> None:
    url = own_stack.environment["PICMEND_MIGRATIONS_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE survives AS SELECT 7 AS n")
    postgres = own_stack.server("postgres")
    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM survives").fetchone() == (7,)


def test_a_killed_store_comes_back_on_its_port_with_its_objects_and_announces(
    own_stack: Stack,
) -> None:
    settings = own_stack.settings()
    client(own_stack).put_object(settings.bucket, "in/before", BytesIO(b"1"), 1)
    store = own_stack.server("store")
    store.kill()
    store.start()
    assert client(own_stack).get_object(settings.bucket, "in/before").read() == b"1"
    client(own_stack).put_object(settings.bucket, "in/after", BytesIO(b"2"), 1)
    consumer = KafkaConsumer(
        OBJECT_EVENTS,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    assert any(message.key == b"/buckets/uploads/in/after" for message in consumer)
    consumer.close()


def test_a_server_whose_port_was_taken_meanwhile_names_who_has_it(own_stack: Stack) -> None:
    postgres = own_stack.server("postgres")
    postgres.stop()
    host, _, port = postgres.address.rpartition(":")
    taken = pytest.raises(PortTakenError, match=rf"port {port} .*process {os.getpid()} ")
    with socket.create_server((host, int(port))), taken:
        postgres.start()
    postgres.start()
    assert postgres.ready()


def test_a_second_stack_on_the_same_directory_is_refused(own_stack: Stack) -> None:
    place = Path(own_stack.environment["PICMEND_DATA_DIR"])
    with pytest.raises(AlreadyRunningError, match="picmend down"), open_stack(place):
        pass
    assert own_stack.server("kafka").ready()


def test_a_start_that_fails_half_way_leaves_no_process(tmp_path: Path) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("a file where the store's folder should be")
    before = children()
    with pytest.raises(NotADirectoryError), open_stack(tmp_path, durable=False):
        pass
    assert children() <= before


def test_servers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom infra.stack import open_stack\n"
        f"with open_stack(Path({str(tmp_path)!r}), durable=False) as s:\n"
        "    print(*(x.identity().pid for x in s.servers), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(  # noqa: S603 - this very Python, with the code above
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 3
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_server_that_dies_at_start_shows_its_last_words_and_advice(tmp_path: Path) -> None:
    words = "import sys; print('no room on the disk'); sys.exit(4)"
    server = NativeServer(
        ServerPlan(
            name="kafka",
            ports=(),
            address="127.0.0.1:1",
            command=Command((sys.executable, "-c", words), tmp_path, os.environ),
            log=tmp_path / "kafka.log",
            ready=lambda: False,
            advice="Make room.",
        )
    )
    with pytest.raises(ServerFailedError, match=r"(?s)code 4.*Make room.*no room on the disk"):
        server.start()


def test_postgres_also_runs_as_nobody_where_there_are_no_user_namespaces() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    # Every folder above the data must be passable for nobody; pytest's own are not.
    folder = Path(tempfile.mkdtemp(prefix="picmend-nobody-"))
    try:
        folder.chmod(0o755)
        with reserved_block(folder / "ports.json") as ports:
            access = PostgresAccess(ports.postgres, "owner", "application", "superuser")
            server = NativeServer(
                postgres_plan(
                    folder / "postgres",
                    folder / "postgres.log",
                    ports,
                    access,
                    durable=False,
                    ways=(Way.NOBODY,),
                )
            )
            server.start()
            try:
                identity = server.identity()
                assert identity is not None
                assert psutil.Process(identity.pid).uids().real == 65534
                create_roles(access)
                psycopg.connect(access.url(APPLICATION)).close()
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}
