"""Where the demonstration runs: on the stack that is there, or on one of its own."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.context import data_dir_of, load_environment
from cli.starting import Progress
from infra.settings import Settings
from infra.stack import running, state
from infra.stack.external import ADDRESSES
from infra.stack.stack import settings_of

# Passable for the user that Postgres runs as where everything else is root.
_PASSABLE: Final = 0o711


@contextmanager
def stack_to_use(data_dir: Path | None, console: Console) -> Iterator[Settings]:
    """Give the settings of the running stack that is meant, or of one started for the context.

    One started here lives in a temporary directory, which is kept, and named, only when an
    error ends the context. Once the context ends nothing interrupts the ending of its
    processes. Raises `StackError` when the stack that is there is still starting, or none
    can be started.
    """
    if _runs(data_dir):
        console.print("Using the stack that runs.")
        yield settings_of(load_environment(data_dir))
        return
    folder = Path(tempfile.mkdtemp(prefix="picmend-demo-"))
    folder.chmod(_PASSABLE)
    try:
        with (
            Progress(console) as progress,
            running(folder, durable=False, report=progress.step, on_event=progress.event) as system,
        ):
            progress.settle()
            try:
                yield system.settings()
            finally:
                _end_undisturbed()
                console.print("Ending the stack that was started for this ...")
    except Exception:
        console.print(f"The logs of its stack are in {folder / 'logs'}", soft_wrap=True)
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _runs(data_dir: Path | None) -> bool:
    if data_dir is None and all(os.environ.get(name) for name in ADDRESSES):
        return True
    found = state.read(data_dir_of(data_dir))
    return found is not None and found.supervisor.alive()


def _end_undisturbed() -> None:
    """Let a further Ctrl-C change nothing; whoever set handlers before puts them back."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
