"""`picmend migrate`: the one step that must come before any process of a new version."""

import json
from pathlib import Path
from typing import Annotated

import psycopg
import sqlalchemy.exc
import typer

from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from infra import migrations
from infra.kafka_topics import TopicCreationError, create_topics


def migrate(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the database to the newest schema and make the topics that are missing.

    Needs PICMEND_MIGRATIONS_URL, the database as its owner. Safe to run again, and by several
    at once.
    """
    settings = load_settings(data_dir)
    if settings.migrations_url is None:
        fail("PICMEND_MIGRATIONS_URL is not set; it must reach the database as its owner")
    try:
        migrations.upgrade(settings.migrations_url.get_secret_value())
        topics = create_topics(settings.kafka_bootstrap, replication=settings.kafka_replication)
    except TopicCreationError as error:
        fail(str(error), EXIT_NO_STACK)
    except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
        fail(f"Postgres does not answer: {error}", EXIT_NO_STACK)
    except sqlalchemy.exc.SQLAlchemyError as error:
        fail(f"a migration failed, the steps before it are in force: {error}", EXIT_FAILED)
    if as_json:
        typer.echo(json.dumps({"made": list(topics.made), "present": list(topics.present)}))
    else:
        typer.echo(
            f"The schema is the newest; made {len(topics.made)} topics, "
            f"{len(topics.present)} were there."
        )
