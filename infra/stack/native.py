"""The native provider: plain child processes, from wheels and jars, without root or Docker."""

from pathlib import Path

from infra.stack.native_kafka import kafka_plan
from infra.stack.native_postgres import PostgresAccess, postgres_plan
from infra.stack.native_store import StoreAccess, store_plan
from infra.stack.ports import PortBlock
from infra.stack.server import NativeServer


class NativeProvider:
    """Makes servers that are child processes of this one."""

    name = "native"

    def kafka(self, folder: Path, log: Path, ports: PortBlock) -> NativeServer:
        """Make Kafka. Raises `MissingServersError`."""
        return NativeServer(kafka_plan(folder, log, ports))

    def postgres(
        self, folder: Path, log: Path, ports: PortBlock, access: PostgresAccess, *, durable: bool
    ) -> NativeServer:
        """Make Postgres. Raises `MissingServersError` or `ServerFailedError`."""
        return NativeServer(postgres_plan(folder, log, ports, access, durable=durable))

    def store(
        self, folder: Path, log: Path, ports: PortBlock, access: StoreAccess, *, kafka: str | None
    ) -> NativeServer:
        """Make the object store. Raises `MissingServersError`."""
        return NativeServer(store_plan(folder, log, ports, access, kafka=kafka))
