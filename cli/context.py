"""Where a command finds the stack that it works on."""

import os
from pathlib import Path
from typing import Final, NoReturn

import typer

from infra.settings import Settings
from infra.stack import state
from infra.stack.errors import StackError
from infra.stack.external import ADDRESSES
from infra.stack.stack import settings_of

DEFAULT_DATA_DIR: Final = Path(".picmend")

EXIT_FAILED: Final = 1
"""What was asked for failed, or a check found something wrong."""
EXIT_NO_STACK: Final = 3
"""No stack runs, or its servers do not answer."""


def data_dir_of(data_dir: Path | None) -> Path:
    """Return the data directory that is meant: given, or `PICMEND_DATA_DIR`, or `.picmend`."""
    return data_dir or Path(os.environ.get("PICMEND_DATA_DIR", DEFAULT_DATA_DIR))


def load_settings(data_dir: Path | None = None) -> Settings:
    """Return the settings that reach the stack a command is meant for.

    Those of the stack that runs on `data_dir` if one is given; else those of `PICMEND_*`
    variables when they name the servers; else those of the stack on the default directory.
    Ends the command with exit code 3, and says what to do, when no stack runs.
    """
    try:
        return settings_of(load_environment(data_dir))
    except StackError as error:
        fail(str(error), EXIT_NO_STACK)


def load_environment(data_dir: Path | None = None) -> dict[str, str]:
    """Return the `PICMEND_*` variables of the same stack. Raises `StackError` when none runs."""
    if data_dir is None and all(os.environ.get(name) for name in ADDRESSES):
        return {name: value for name, value in os.environ.items() if name.startswith("PICMEND_")}
    place = data_dir_of(data_dir)
    found = state.read(place)
    if found is None or not found.supervisor.alive():
        raise StackError(
            f"no stack runs on {place}; start one with `picmend up --detach`, or name another "
            f"directory with --data-dir, or set {', '.join(ADDRESSES)}"
        )
    if found.phase is not state.Phase.RUNNING:
        raise StackError(
            f"the stack on {place} is still starting ({found.step}); try again in a few seconds"
        )
    return found.environment


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Say on standard error what is wrong and end the command with `code`."""
    typer.secho(message, fg=typer.colors.RED, err=True)
    raise typer.Exit(code)
