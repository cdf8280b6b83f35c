"""The external provider: servers that somebody else runs, named by the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from minio.error import S3Error
from urllib3.exceptions import HTTPError

from infra.kafka_topics import TopicCreationError, TopicsReport, create_topics
from infra.migrations import Tell
from infra.settings import Settings
from infra.stack.errors import StackError
from infra.stack.native_store import StoreAccess, create_bucket
from infra.stack.schema import upgrade_schema
from infra.stack.stack import Stack

ADDRESSES: Final = ("PICMEND_KAFKA_BOOTSTRAP", "PICMEND_DATABASE_URL", "PICMEND_S3_ENDPOINT")


def external_stack(environment: Mapping[str, str], data_dir: Path) -> Stack | None:
    """Return the stack that `environment` names, or None when it names none.

    Raises `StackError` when it names some of the servers and not all.
    """
    given = [name for name in ADDRESSES if environment.get(name)]
    if not given:
        return None
    missing = [name for name in ADDRESSES if name not in given]
    if missing:
        raise StackError(
            f"{', '.join(given)} is set but {', '.join(missing)} is not; set all three to use "
            "servers of your own, or none to start local ones"
        )
    ours = {name: value for name, value in environment.items() if name.startswith("PICMEND_")}
    return Stack(
        provider="external",
        environment={"PICMEND_DATA_DIR": str(data_dir.resolve()), **ours},
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was missing and is there now."""

    topics: TopicsReport
    bucket_made: bool


def prepare(
    settings: Settings, *, migrate: bool = True, store: bool = True, tell: Tell | None = None
) -> Prepared:
    """Bring the servers that `settings` name to what this version of picmend needs.

    Migrates the database, makes missing topics and, with `store`, a missing bucket. Safe to
    run again, and by several at once. `tell` is told each step of the schema that was done,
    and each wait for a lock. Raises `StackError` with what to do about it.
    """
    if migrate:
        _migrate(settings, tell)
    try:
        topics = create_topics(settings.kafka_bootstrap, replication=settings.kafka_replication)
    except TopicCreationError as error:
        raise StackError(str(error)) from error
    made = False
    if store:
        access = StoreAccess(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            jwt_key="",
        )
        try:
            made = create_bucket(access, settings.bucket, settings.s3_region)
        except (S3Error, HTTPError) as error:
            raise StackError(
                f"cannot make the bucket {settings.bucket!r} at {settings.s3_endpoint}: {error}"
            ) from error
    return Prepared(topics=topics, bucket_made=made)


def _migrate(settings: Settings, tell: Tell | None) -> None:
    if settings.migrations_url is None:
        raise StackError(
            "PICMEND_MIGRATIONS_URL is not set; it must reach the database as its owner"
        )
    upgrade_schema(settings.migrations_url.get_secret_value(), tell=tell)
