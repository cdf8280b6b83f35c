"""The external provider: servers that somebody else runs, named by the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra import migrations
from infra.kafka_topics import TopicCreationError, create_topics
from infra.stack.errors import StackError
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


def prepare_external(stack: Stack, *, migrate: bool) -> None:
    """Make the topics that are missing and, given an owner's address, migrate.

    Raises `StackError` when Kafka refuses; what Postgres refuses is raised as it is.
    """
    settings = stack.settings()
    try:
        create_topics(settings.kafka_bootstrap, replication=settings.kafka_replication)
    except TopicCreationError as error:
        raise StackError(str(error)) from error
    if migrate and settings.migrations_url is not None:
        migrations.upgrade(settings.migrations_url.get_secret_value())
