"""The local stack put together: in which order its servers start, and what is made in them.

The same for every provider that starts servers; only how one server is run differs.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.kafka_topics import create_topics
from infra.stack import native_store
from infra.stack.errors import AlreadyRunningError
from infra.stack.native_postgres import APPLICATION, OWNER, PostgresAccess, create_roles
from infra.stack.native_store import StoreAccess, create_bucket
from infra.stack.ports import PortBlock, reserved_block
from infra.stack.schema import upgrade_schema
from infra.stack.server import Server
from infra.stack.stack import Stack

BUCKET = "uploads"

Report = Callable[[str], None]
"""Told each step as it begins, in a few words."""


class StartableServer(Server, Protocol):
    """A server whose start can be left to itself and waited for later."""

    def launch(self) -> None:
        """Start it without waiting. Raises `PortTakenError`."""
        ...

    def wait_ready(self) -> None:
        """Wait until it answers. Raises `ServerFailedError`."""
        ...


class Provider(Protocol):
    """Makes the three servers, not yet started.

    Each keeps its state under `folder` and its output in `log`.
    """

    @property
    def name(self) -> str:
        """`native` or `docker`."""
        ...

    def kafka(self, folder: Path, log: Path, ports: PortBlock) -> StartableServer:
        """Make Kafka."""
        ...

    def postgres(
        self, folder: Path, log: Path, ports: PortBlock, access: PostgresAccess, *, durable: bool
    ) -> StartableServer:
        """Make Postgres."""
        ...

    def store(
        self, folder: Path, log: Path, ports: PortBlock, access: StoreAccess, *, kafka: str | None
    ) -> StartableServer:
        """Make the object store, which tells `kafka` of every change."""
        ...


@dataclass(frozen=True, slots=True)
class Secrets:
    """The passwords of one data directory, made once."""

    owner_password: str
    application_password: str
    superuser_password: str
    access_key: str
    secret_key: str
    jwt_key: str

    @classmethod
    def of(cls, path: Path) -> "Secrets":
        """Read them from `path`, making them the first time; only the user can read it."""
        if not path.exists():
            made = {name: secrets.token_hex(16) for name in cls.__slots__}
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(made, file)
        return cls(**json.loads(path.read_text()))


@contextmanager
def open_local(
    data_dir: Path,
    provider: Provider,
    *,
    notifications: bool,
    durable: bool,
    migrate: bool,
    report: Report,
) -> Iterator[Stack]:
    """Run the three servers on `data_dir` for as long as the context lasts.

    Raises `AlreadyRunningError` when a stack of this machine uses the directory, and the
    errors of `infra.stack.errors` when a server does not start; none is left behind then.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    logs = data_dir / "logs"
    with ExitStack() as ending:
        ending.enter_context(_sole_use(data_dir))
        ports = ending.enter_context(reserved_block(data_dir / "ports.json"))
        keys = Secrets.of(data_dir / "secrets.json")
        postgres_access = PostgresAccess(
            port=ports.postgres,
            owner_password=keys.owner_password,
            application_password=keys.application_password,
            superuser_password=keys.superuser_password,
        )
        store_access = StoreAccess(
            endpoint=native_store.store_endpoint(ports),
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            jwt_key=keys.jwt_key,
        )

        report("preparing Kafka (the first time downloads 44 MB)")
        kafka = provider.kafka(data_dir / "kafka", logs / "kafka.log", ports)
        ending.callback(kafka.stop)
        report("starting Kafka")
        kafka.launch()

        # Kafka takes seconds to come up, in which Postgres is done.
        report("starting Postgres")
        postgres = provider.postgres(
            data_dir / "postgres", logs / "postgres.log", ports, postgres_access, durable=durable
        )
        ending.callback(postgres.stop)
        postgres.start()
        create_roles(postgres_access)
        if migrate:
            report("migrating the database")
            upgrade_schema(postgres_access.url(OWNER), tell=report)

        report("waiting for Kafka and making topics")
        kafka.wait_ready()
        create_topics(kafka.address)

        report("starting the object store")
        store = provider.store(
            data_dir / "store",
            logs / "store.log",
            ports,
            store_access,
            kafka=kafka.address if notifications else None,
        )
        ending.callback(store.stop)
        store.start()
        create_bucket(store_access, BUCKET)

        yield Stack(
            provider=provider.name,
            environment=_environment(data_dir, ports, kafka.address, postgres_access, store_access),
            servers=(kafka, postgres, store),
        )


def _environment(
    data_dir: Path, ports: PortBlock, kafka: str, postgres: PostgresAccess, store: StoreAccess
) -> dict[str, str]:
    return {
        "PICMEND_KAFKA_BOOTSTRAP": kafka,
        "PICMEND_DATABASE_URL": postgres.url(APPLICATION),
        "PICMEND_MIGRATIONS_URL": postgres.url(OWNER),
        "PICMEND_S3_ENDPOINT": store.endpoint,
        "PICMEND_S3_ACCESS_KEY": store.access_key,
        "PICMEND_S3_SECRET_KEY": store.secret_key,
        "PICMEND_S3_REGION": native_store.REGION,
        "PICMEND_BUCKET": BUCKET,
        "PICMEND_API_HOST": "127.0.0.1",
        "PICMEND_API_PORT": str(ports.api),
        "PICMEND_DATA_DIR": str(data_dir),
    }


@contextmanager
def _sole_use(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"a stack already runs on {data_dir}; `picmend status` shows it, `picmend down` "
                "ends it, and --data-dir starts a second one elsewhere"
            ) from None
        yield
