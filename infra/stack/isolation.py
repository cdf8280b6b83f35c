"""Parts of a running stack that nobody else uses: a database, topics, a bucket.

Tests and benchmarks share one stack and still do not see one another.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg
from kafka.admin import KafkaAdminClient
from minio import Minio
from minio.deleteobjects import DeleteObject
from psycopg import sql

from infra import migrations
from infra.kafka_topics import TopicSpec, create_topics
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Database:
    """One migrated database: as the application sees it, and as the schema's owner does."""

    name: str
    app_url: str
    owner_url: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket, and a client with root credentials."""

    name: str
    client: Minio


@dataclass(frozen=True, slots=True)
class Broker:
    """Kafka, and a way to make topics that no other test writes to."""

    bootstrap: str

    def new_topic(self, name: str = "test", *, like: TopicSpec | None = None) -> str:
        """Make a topic whose name begins with `name` and return that name; one partition.

        With `like` it gets that topic's partitions and retention.
        """
        unique = f"{name}-{secrets.token_hex(5)}"
        source = like or TopicSpec(unique, timedelta(days=1), partitions=1)
        create_topics(
            self.bootstrap,
            topics=[TopicSpec(unique, source.retention, partitions=source.partitions)],
        )
        return unique

    def delete_topics(self, names: list[str]) -> None:
        """Delete topics, which must exist."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, reconnect_backoff_max_ms=1000)
        try:
            admin.delete_topics(names)
        finally:
            admin.close()


def make_template(settings: Settings) -> str:
    """Make and migrate a database to copy others from; return its name.

    Needs `migrations_url` to be that of a role that may create databases.
    """
    name = f"picmend_template_{secrets.token_hex(4)}"
    owner = _owner_url(settings)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrations.upgrade(_at(owner, name))
    return name


@contextmanager
def own_database(settings: Settings, template: str) -> Iterator[Database]:
    """Give a copy of `template` and drop it afterwards, whoever is still connected."""
    name = f"picmend_test_{secrets.token_hex(6)}"
    owner = _owner_url(settings)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield Database(
                name=name,
                app_url=_at(settings.database_url.get_secret_value(), name),
                owner_url=_at(owner, name),
            )
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


@contextmanager
def own_bucket(settings: Settings) -> Iterator[Bucket]:
    """Give an empty bucket and delete it afterwards, with what is in it."""
    name = f"test-{secrets.token_hex(6)}"
    address = urlsplit(settings.s3_endpoint)
    client = Minio(
        address.netloc,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=address.scheme == "https",
    )
    client.make_bucket(name)
    try:
        yield Bucket(name, client)
    finally:
        found = client.list_objects(name, recursive=True, include_version=True)
        doomed = [DeleteObject(o.object_name, o.version_id) for o in found if o.object_name]
        refused = list(client.remove_objects(name, doomed))
        if not refused:
            client.remove_bucket(name)


def _owner_url(settings: Settings) -> str:
    if settings.migrations_url is None:
        raise ValueError("PICMEND_MIGRATIONS_URL is not set; it must name the schema's owner")
    return settings.migrations_url.get_secret_value()


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
