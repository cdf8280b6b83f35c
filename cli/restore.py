"""`picmend restore`: restore pictures on this machine; no server, no account.

Exit codes: 0 every file has its result; 1 one has not; 2 called wrongly; 130 interrupted.
"""

# ruff: noqa: PLC0415 - torch takes seconds to import; help and wrong calls do not wait for it

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from cli.context import EXIT_FAILED, fail
from cli.restoring.asked import OPERATIONS, WronglyAskedError, parameters_of
from cli.restoring.files import Item, ResultsAmongInputsError, SameResultError, find_items
from cli.restoring.sizing import Side, Size, size_of
from schemas.operations import InpaintParameters, OperationName, PictureOperation, takes_mask_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.restoring.outcomes import Outcome

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

_SHOW_CURSOR: Final = b"\x1b[?25h"


def restore(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Pictures, and folders, with all that is below them."),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="The folder of the results. Inside a folder of inputs, it is left out there.",
        ),
    ],
    operation: Annotated[
        str, typer.Option(help=f"What to do: {', '.join(OPERATIONS)}.")
    ] = OperationName.UPSCALE.value,
    model: Annotated[str | None, typer.Option(help="Such as photo, anime or fast.")] = None,
    scale: Annotated[float | None, typer.Option(help="How many times as wide and high.")] = None,
    long_side: Annotated[
        int | None,
        typer.Option(min=1, help="How many pixels the longer side is to have, instead of --scale."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="How many pixels wide, instead of --scale.")
    ] = None,
    height: Annotated[
        int | None, typer.Option(min=1, help="How many pixels high, instead of --scale.")
    ] = None,
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
    suffix: Annotated[
        str, typer.Option(help="What ends each result's name before its dot, such as _x4.")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per file.")] = False,
) -> None:
    """Restore pictures on this machine. The results lie in the output folder as the inputs do.

    A result that is there already is not made again: run it once more, and it goes on. No input is
    changed. Ctrl-C stops it.

    Exit codes: 0 every file has its result; 1 one has not; 2 called wrongly; 130 interrupted.
    """
    options: dict[str, object] = {
        "model": model,
        "factor": scale,
        "format": form,
        "quality": quality,
        "target_bytes": target_bytes,
        "metadata": "keep" if keep_metadata else None,
        "strength": strength,
    }
    sides = {Side.LONG: long_side, Side.WIDTH: width, Side.HEIGHT: height}
    try:
        parameters = parameters_of(operation, options, param or [])
        size = size_of(parameters, sides)
    except WronglyAskedError as error:
        fail(str(error), EXIT_USAGE)
    if suffix != Path(suffix).name:
        fail(f"--suffix is a part of a name, not {suffix!r}", EXIT_USAGE)
    items = _items(inputs, output, mask, parameters, suffix)
    _must_take_files(output)
    asked = _Asked(parameters, size, output, overwrite=overwrite)
    outcomes, stopped = _run(items, asked, models=models, as_json=as_json)
    _end(outcomes, as_json=as_json, stopped=stopped)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be done with every file."""

    parameters: PictureOperation
    size: Size | None
    output: Path
    overwrite: bool


def _items(
    inputs: list[Path],
    output: Path,
    mask: Path | None,
    parameters: PictureOperation,
    suffix: str,
) -> list[Item]:
    masked = takes_mask_file(parameters)
    if mask is not None and not masked:
        told = "by --param mask=…" if isinstance(parameters, InpaintParameters) else "here"
        fail(f"--mask is for inpaint with a mask file; none is asked for {told}", EXIT_USAGE)
    try:
        if mask is not None:
            mask.stat()
        items = find_items(inputs, output, mask=mask, masked=masked, suffix=suffix)
    except OSError as error:
        if error.filename == "-":
            fail(
                "standard input is not read; save the picture to a file, and name that", EXIT_USAGE
            )
        fail(f"cannot read {error.filename}: {error.strerror}", EXIT_USAGE)
    except (SameResultError, ResultsAmongInputsError) as error:
        fail(str(error), EXIT_USAGE)
    if not items:
        fail(f"no pictures in {', '.join(map(str, inputs))}", EXIT_USAGE)
    return items


def _must_take_files(folder: Path) -> None:
    """Make the folder of the results; end the command where nothing can be written into it."""
    reason = "it may not be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except FileExistsError:
        reason, writable = "it is no folder", False
    except OSError as error:
        reason, writable = error.strerror or str(error), False
    if not writable:
        fail(f"cannot write into {folder}: {reason}; name another folder with -o", EXIT_USAGE)


def _run(
    items: list[Item], asked: _Asked, *, models: Path | None, as_json: bool
) -> tuple[list[Outcome], bool]:
    from cli.restoring.outcomes import as_fields
    from cli.restoring.shown import Bars
    from cli.restoring.work import Progress, Work
    from processors.failures import ModelUnavailable
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
        try:
            restorer.prepare(asked.parameters)
        except ModelUnavailable as error:
            # No file would fare better.
            fail(str(error))
        work = Work(
            decoder,
            restorer,
            asked.parameters,
            asked.output,
            asked.overwrite,
            stopping.is_set,
            asked.size,
        )
        for outcome in work.run(items, Progress(bars.began, bars.tile)):
            outcomes.append(outcome)
            bars.ended(outcome)
            if as_json:
                try:
                    typer.echo(json.dumps(as_fields(outcome), ensure_ascii=False))
                except OSError:
                    # Nobody reads on: the rest, hours of it maybe, is not worth doing.
                    stopping.set()
                    raise
    return outcomes, stopping.is_set()


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C or SIGTERM; a second ends the process at once."""
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)
        if sys.stderr.isatty():
            # The bars hide the cursor, and the second signal leaves no time to show it.
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)

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
