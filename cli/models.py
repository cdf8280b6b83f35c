"""`picmend models`: which models can be used, and what to do about the others."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.books import print_table
from cli.context import EXIT_FAILED
from processors.models.entries import NetworkEntry
from processors.models.files import ModelStatus, statuses
from processors.models.manifest import NETWORKS
from processors.models.supplied import SUPPLIED, SuppliedEntry


def models(
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--models", envvar="PICMEND_MODELS", help="Folder of weights that you supply."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every model: what it is for, whether its weights are there, and how to supply them.

    Reads each file whole, to compare it with the one that was tested.

    Exit codes: 0 none is altered; 1 one is. A model that is missing is no error.
    """
    known: tuple[NetworkEntry | SuppliedEntry, ...] = (*NETWORKS, *SUPPLIED)
    found = list(zip(known, statuses(known, folder), strict=True))
    if as_json:
        typer.echo(json.dumps({"models": [_fields(entry, status) for entry, status in found]}))
    else:
        print_table(
            ("model", "for", "state", "made by, or how to supply it"),
            [
                (entry.name, ", ".join(entry.operations), status.state, _told(entry, status))
                for entry, status in found
            ],
        )
    if any(status.state == "altered" for _, status in found):
        raise typer.Exit(EXIT_FAILED)


def _told(entry: NetworkEntry | SuppliedEntry, status: ModelStatus) -> str:
    return f"{entry.origin}, {entry.licence}" if status.state == "ready" else status.detail


def _fields(entry: NetworkEntry | SuppliedEntry, status: ModelStatus) -> dict[str, object]:
    return {
        "name": entry.name,
        "operations": list(entry.operations),
        "state": status.state,
        "detail": status.detail,
        "licence": entry.licence,
        "origin": entry.origin,
        "files": [{"path": file.path, "sha256": file.sha256} for file in entry.source.files],
    }
