"""The docker provider: the images a deployment uses, with the native provider's configuration.

The containers share the host's network, so addresses, ports and configuration files are those
of the native provider, and only loopback is listened on.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.stack.child import Identity
from infra.stack.errors import MissingServersError, ServerFailedError
from infra.stack.native_kafka import CLUSTER_ID, kafka_answers, write_properties
from infra.stack.native_postgres import (
    SUPERUSER,
    PostgresAccess,
    postgres_answers,
    postgres_settings,
)
from infra.stack.native_store import StoreAccess, store_arguments, store_ready
from infra.stack.ports import PortBlock, require_free

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE: Final = "apache/kafka:4.2.0"
POSTGRES_IMAGE: Final = "postgres:18"
STORE_IMAGE: Final = "chrislusf/seaweedfs:4.48"

_START_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """Everything needed to run one server in a container; `folder` has the same path inside."""

    name: str
    image: str
    ports: tuple[int, ...]
    address: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    ready: Callable[[], bool]
    entrypoint: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"


class ContainerServer:
    """A server run in a container of its own."""

    def __init__(self, plan: ContainerPlan) -> None:
        self._plan = plan
        self._container: DockerContainer | None = None

    @property
    def name(self) -> str:
        """The server's name."""
        return self._plan.name

    @property
    def address(self) -> str:
        """host:port, as clients reach it."""
        return self._plan.address

    @property
    def log(self) -> Path:
        """The file that takes its output when it ends."""
        return self._plan.log

    def identity(self) -> Identity | None:
        """Return None: the process belongs to the engine."""
        return None

    def ready(self) -> bool:
        """Whether it answers."""
        return self._container is not None and self._plan.ready()

    def start(self) -> None:
        """Launch it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the container without waiting for the server."""
        if self._container is not None:
            return
        require_free(self.name, self._plan.ports)
        try:
            from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingServersError(
                "testcontainers is not installed; run `pip install 'picmend[docker]'`"
            ) from error
        folder = str(self._plan.folder)
        container = (
            DockerContainer(self._plan.image)
            .with_command(list(self._plan.command))
            .with_volume_mapping(folder, folder, "rw")
            .with_kwargs(
                network_mode="host",
                user=f"{os.getuid()}:{os.getgid()}" if os.getuid() else None,
                entrypoint=self._plan.entrypoint,
                stop_signal=self._plan.stop_signal,
            )
        )
        for name, value in self._plan.environment.items():
            container = container.with_env(name, value)
        container.start()
        self._container = container

    def wait_ready(self) -> None:
        """Wait until the server answers. Raises `ServerFailedError` with its output."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.ready():
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailedError(
                    f"{self.name} did not answer within {_START_TIMEOUT_S:.0f} s; its output "
                    f"is in {self.log}"
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """End it in order, and remove the container; its data stays under the folder."""
        self._end(force=False)

    def kill(self) -> None:
        """End it at once."""
        self._end(force=True)

    def _end(self, *, force: bool) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        if not force:
            container.get_wrapped_container().stop(timeout=20)
        self._plan.log.parent.mkdir(parents=True, exist_ok=True)
        self._plan.log.write_bytes(b"".join(container.get_logs()))
        container.stop(force=True)


class DockerProvider:
    """Makes servers that are containers."""

    name = "docker"

    def kafka(self, folder: Path, log: Path, ports: PortBlock) -> ContainerServer:
        """Make Kafka."""
        properties = write_properties(folder, ports)
        address = f"127.0.0.1:{ports.kafka}"
        home = "/opt/kafka/bin"
        script = (
            f"{home}/kafka-storage.sh format --ignore-formatted --standalone -t {CLUSTER_ID}"
            f" -c {properties} && exec {home}/kafka-server-start.sh {properties}"
        )
        return ContainerServer(
            ContainerPlan(
                name="kafka",
                image=KAFKA_IMAGE,
                ports=(ports.kafka, ports.kafka_controller),
                address=address,
                entrypoint="/bin/sh",
                command=("-c", script),
                environment={"LOG_DIR": str(folder), "KAFKA_HEAP_OPTS": "-Xmx512m -Xms128m"},
                folder=folder,
                log=log,
                ready=lambda: kafka_answers(address),
            )
        )

    def postgres(
        self, folder: Path, log: Path, ports: PortBlock, access: PostgresAccess, *, durable: bool
    ) -> ContainerServer:
        """Make Postgres."""
        folder.mkdir(parents=True, exist_ok=True)
        return ContainerServer(
            ContainerPlan(
                name="postgres",
                image=POSTGRES_IMAGE,
                ports=(ports.postgres,),
                address=f"127.0.0.1:{ports.postgres}",
                command=(
                    *("postgres", "-p", str(ports.postgres), "-h", "127.0.0.1"),
                    *(f"-c{setting}" for setting in postgres_settings(durable=durable)),
                ),
                environment={
                    "PGDATA": str(folder / "docker"),
                    "POSTGRES_USER": SUPERUSER,
                    "POSTGRES_PASSWORD": access.superuser_password,
                },
                folder=folder,
                log=log,
                ready=lambda: postgres_answers(access.url(SUPERUSER, "postgres")),
                stop_signal="SIGINT",
            )
        )

    def store(
        self, folder: Path, log: Path, ports: PortBlock, access: StoreAccess, *, kafka: str | None
    ) -> ContainerServer:
        """Make the object store."""
        return ContainerServer(
            ContainerPlan(
                name="store",
                image=STORE_IMAGE,
                ports=tuple(range(ports.store, ports.store + 9)),
                address=f"127.0.0.1:{ports.store + 6}",
                entrypoint="weed",
                command=store_arguments(folder, ports, access, kafka=kafka),
                folder=folder,
                log=log,
                ready=lambda: store_ready(ports, access),
            )
        )
