"""What commands about accounts and jobs share: a transaction, and how they print."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
import typer
from psycopg import Connection
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cli.context import EXIT_NO_STACK, fail
from infra.settings import Settings


@contextmanager
def transaction(settings: Settings) -> Iterator[Connection]:
    """Give one transaction, and end the command in words when Postgres does not answer."""
    url = settings.database_url.get_secret_value()
    try:
        with psycopg.connect(url, connect_timeout=5) as conn:
            yield conn
    except psycopg.OperationalError as error:
        fail(
            f"Postgres does not answer: {str(error).strip()}; `picmend status` shows what runs",
            EXIT_NO_STACK,
        )


def print_json(value: object) -> None:
    """Print one JSON object on a line; times are in ISO 8601."""
    typer.echo(json.dumps(value, default=_iso, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; None is an empty cell, times are to the second, no text is markup."""
    # Folded, not cut off: an id that lost its end is of no use.
    table = Table(*(Column(heading, overflow="fold") for heading in headings))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console().print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            # What a client sent may hold codes that a terminal would obey.
            return "".join(
                c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)
            )


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON form")
