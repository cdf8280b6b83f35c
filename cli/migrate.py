"""`picmend migrate`: the one step that must come before any process of a new version."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.context import fail, load_settings
from infra.stack.errors import StackError
from infra.stack.external import prepare


def migrate(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    store: Annotated[bool, typer.Option(help="Make the bucket too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the database to the newest schema; make the topics and the bucket if missing.

    Needs PICMEND_MIGRATIONS_URL, the database as its owner. Safe to run again, and by several
    at once. An object store that announces uploads needs its topic first: start it after
    `picmend migrate --no-store`.
    """
    settings = load_settings(data_dir)
    try:
        done = prepare(settings, store=store)
    except StackError as error:
        fail(str(error))
    topics = done.topics
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "topics_made": list(topics.made),
                    "topics_present": list(topics.present),
                    "bucket_made": done.bucket_made,
                }
            )
        )
    else:
        typer.echo(
            f"The schema is the newest; made {len(topics.made)} topics, "
            f"{len(topics.present)} were there."
        )
