"""`picmend restore`: restore pictures on this machine; no server, no account.

Exit codes: 0 every file has its result; 1 one has not; 2 called wrongly; 130 interrupted.
"""

# ruff: noqa: PLC0415 - torch takes seconds to import; help and wrong calls do not wait for it

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from cli.context import EXIT_FAILED, fail
from cli.restoring.asked import OPERATIONS, WronglyAskedError, parameters_of
from cli.restoring.files import Item, SameResultError, find_items
from schemas.operations import OperationName, PictureOperation, takes_mask_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.restoring.outcomes import Outcome

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


def restore(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Pictures, and folders of pictures.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="The folder of the results.")
    ],
    operation: Annotated[
        str, typer.Option(help=f"What to do: {', '.join(OPERATIONS)}.")
    ] = OperationName.UPSCALE.value,
    model: Annotated[str | None, typer.Option(help="Such as photo, anime or fast.")] = None,
    scale: Annotated[float | None, typer.Option(help="How many times as wide and high.")] = None,
    strength: Annotated[str | None, typer.Option(help="Of restore: auto, 0, 1, 2 or 3.")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Of inpaint: white is filled. By default NAME.mask.png beside each."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="jpeg, png, webp, avif or tiff.")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, of jpeg, webp, avif.")] = None,
    target_bytes: Annotated[
        int | None, typer.Option(help="The most that a result may have.")
    ] = None,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep camera, time, author; never the place.")
    ] = False,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Any other parameter.")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(envvar="PICMEND_MODELS", help="Folder of weights that you supply."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per file.")] = False,
) -> None:
    """Restore pictures on this machine. The results lie in the output folder as the inputs do.

    A result that is there already is not made again. No input is changed. Ctrl-C stops it.

    Exit codes: 0 every file has its result; 1 one has not; 2 called wrongly; 130 interrupted.
    """
    options: dict[str, object] = {
        "model": model,
        "factor": scale,
        "format": form,
        "quality": quality,
        "target_bytes": target_bytes,
        "metadata": "keep" if keep_metadata else None,
    }
    pairs = [*(param or []), *([] if strength is None else [f"strength={strength}"])]
    try:
        parameters = parameters_of(operation, options, pairs)
    except WronglyAskedError as error:
        fail(str(error), EXIT_USAGE)
    items = _items(inputs, output, mask, parameters)
    outcomes, stopped = _run(
        items, parameters, output, overwrite=overwrite, models=models, as_json=as_json
    )
    _end(outcomes, as_json=as_json, stopped=stopped)


def _items(
    inputs: list[Path], output: Path, mask: Path | None, parameters: PictureOperation
) -> list[Item]:
    masked = takes_mask_file(parameters)
    if mask is not None and not masked:
        fail(f"--mask is for inpaint; {parameters.operation} takes none", EXIT_USAGE)
    try:
        items = find_items(inputs, output, mask=mask, masked=masked)
    except OSError as error:
        fail(f"cannot read {error.filename}: {error.strerror}", EXIT_USAGE)
    except SameResultError as error:
        fail(str(error), EXIT_USAGE)
    if not items:
        fail(f"no pictures in {', '.join(map(str, inputs))}", EXIT_USAGE)
    return items


def _run(
    items: list[Item],
    parameters: PictureOperation,
    output: Path,
    *,
    overwrite: bool,
    models: Path | None,
    as_json: bool,
) -> tuple[list[Outcome], bool]:
    from cli.restoring.outcomes import as_fields
    from cli.restoring.shown import Bars
    from cli.restoring.work import Progress, Work
    from processors.images.decoder import Decoder
    from processors.models.registry import Registry
    from processors.operations.restorer import Restorer

    outcomes: list[Outcome] = []
    with (
        _stopped_by_signals() as stopping,
        Decoder() as decoder,
        Restorer(Registry(models_dir=models)) as restorer,
        Bars(len(items), shown=not as_json) as bars,
    ):
        work = Work(decoder, restorer, parameters, output, overwrite, stopping.is_set)
        for outcome in work.run(items, Progress(bars.began, bars.tile)):
            outcomes.append(outcome)
            bars.ended(outcome)
            if as_json:
                typer.echo(json.dumps(as_fields(outcome), ensure_ascii=False))
    return outcomes, stopping.is_set()


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C or SIGTERM; a second ends the process at once."""
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(outcomes: list[Outcome], *, as_json: bool, stopped: bool) -> None:
    from cli.restoring.outcomes import Failed, Left
    from cli.restoring.shown import show_summary

    if not as_json:
        show_summary(outcomes, Console())
    if stopped and any(isinstance(each, Left) for each in outcomes):
        raise typer.Exit(EXIT_INTERRUPTED)
    if any(isinstance(each, Failed) for each in outcomes):
        raise typer.Exit(EXIT_FAILED)
