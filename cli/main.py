"""The `picmend` command. Each of its commands is imported only when it is the one to run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    # The group hands on what these are; it needs their names for its signatures alone.
    from typer._click import Command, Context

EPILOG: Final = (
    "Exit codes: 0 done; 1 it failed or found something wrong; 2 it was called wrongly; "
    "3 no stack runs or its servers do not answer."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, the module and attribute where it is, and its line of help."""

    name: str
    place: str
    help: str


ENTRIES: Final = (
    Entry("up", "cli.stack:up", "Start the servers and every picmend process."),
    Entry("down", "cli.stack:down", "End the stack, and exactly what it started."),
    Entry("status", "cli.stack:status", "Show servers, processes, lag and jobs per state."),
    Entry("doctor", "cli.doctor:doctor", "Check this machine and say how to mend it."),
    Entry("check", "cli.check:check", "Check that all holds: money, jobs, files, topics."),
    Entry("migrate", "cli.migrate:migrate", "Bring the database and the topics up to date."),
    Entry("backup", "cli.backup:backup", "Back up the database, with what lay around it."),
    Entry("recover", "cli.backup:recover", "Load a backup, and do again what came since."),
    Entry("restore", "cli.restore:restore", "Restore pictures here, without any server."),
    Entry("models", "cli.models:models", "List the models: installed, missing, altered."),
    Entry("demo", "cli.demo:demo", "Restore a set of photographs end to end."),
    Entry("upload", "cli.transfer:upload", "Send a folder of photographs."),
    Entry("download", "cli.transfer:download", "Fetch the results."),
    Entry("account", "cli.account:app", "Make, suspend and resume accounts."),
    Entry("quota", "cli.quota:app", "Plans, limits and their overrides, and what is used."),
    Entry("jobs", "cli.jobs:app", "List, show, cancel and retry jobs; find stuck ones."),
    Entry("ledger", "cli.ledger:app", "Check the ledger, read it, add money to an account."),
    Entry("abuse", "cli.abuse:app", "What rules against misuse found; settle it, tune them."),
    Entry("dlq", "cli.dlq:app", "List, show, replay and drop dead letters."),
)


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders until one of them is called."""

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        """Import the command that `args` begins with, then find it as usual."""
        for entry in ENTRIES:
            if args and entry.name == args[0]:
                self.commands[entry.name] = load(entry)
        return super().resolve_command(ctx, args)


def load(entry: Entry) -> Command:
    """Import a command: a function, or a typer application of several."""
    module, _, attribute = entry.place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        application = typer.Typer(add_completion=False)
        # A command that lists its exit codes has not all of these, or gives them other meanings.
        epilog = None if "Exit codes:" in (found.__doc__ or "") else EPILOG
        application.command(entry.name, epilog=epilog)(found)
        found = application
    command = typer.main.get_command(found)
    command.name = entry.name
    return command


app = typer.Typer(
    name="picmend",
    cls=LazyGroup,
    help="Restore photographs: an image-restoration service as a stream-processing pipeline.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _placeholder() -> None:
    return


for _entry in ENTRIES:
    app.command(_entry.name, help=_entry.help)(_placeholder)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
