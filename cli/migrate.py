"""`picmend migrate`: the one step that must come before any process of a new version."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.context import fail, load_settings
from infra.schema_version import KNOWN
from infra.stack.errors import StackError
from infra.stack.external import prepare


def migrate(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="State of the stack to use.")] = None,
    store: Annotated[bool, typer.Option(help="Make the bucket too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the database to the newest schema; make the topics and the bucket if missing.

    Needs PICMEND_MIGRATIONS_URL, the database as its owner. Safe to run again, by several at
    once, and while processes of the version before work: a step that cannot have its lock
    within 2 s lets them go on and tries again, ten times in all. Tells on standard error what
    it does. An object store that announces uploads needs its topic first: start it after
    `picmend migrate --no-store`.
    """
    settings = load_settings(data_dir)
    steps: list[str] = []

    def tell(text: str) -> None:
        steps.append(text)
        typer.echo(text, err=True)

    try:
        done = prepare(settings, store=store, tell=tell)
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
                    "schema": KNOWN[-1],
                    "steps": steps,
                }
            )
        )
    else:
        typer.echo(
            f"The schema is the newest, {KNOWN[-1]}; made {len(topics.made)} topics, "
            f"{len(topics.present)} were there."
        )
