"""What a bulk transfer came to, for people and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.bulk.outcomes import Refusal
from cli.bulk.progress import printable

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not transferred, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class UploadReport:
    """Counts of files, and the names of those that need a look.

    `sent` were uploaded now and `skipped` were there; of both, `results` is how many have
    a result, `refused` why some have a problem instead, and `waiting` which have neither.
    """

    sent: int = 0
    skipped: int = 0
    failed: list[Failure] = field(default_factory=list)
    results: int = 0
    refused: list[Refusal] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


@dataclass(slots=True)
class DownloadReport:
    """`fetched` were downloaded now and `skipped` were there, `problems` among them."""

    fetched: int = 0
    skipped: int = 0
    problems: int = 0
    failed: list[Failure] = field(default_factory=list)


def show_upload(report: UploadReport, console: Console) -> None:
    """Print what was uploaded, skipped, refused, and why."""
    console.print(f"{report.sent} uploaded, {report.skipped} already there")
    _show("Not uploaded", [(each.name, "", each.reason) for each in report.failed], console)
    refused = [(each.name, each.code, f"{each.detail} {each.remedy}") for each in report.refused]
    _show("Refused", refused, console)
    console.print(
        f"{report.results} with a result, {len(report.refused)} refused, "
        f"{len(report.waiting)} under way"
    )


def show_download(report: DownloadReport, console: Console) -> None:
    """Print what was downloaded, skipped, and why not."""
    console.print(
        f"{report.fetched} downloaded, {report.skipped} already there; "
        f"{report.problems} of them say why there is no result (.problem.json)"
    )
    _show("Not downloaded", [(each.name, "", each.reason) for each in report.failed], console)


def _show(title: str, rows: Sequence[tuple[str, str, str]], console: Console) -> None:
    if not rows:
        return
    table = Table("file", "code", "why", title=title, title_justify="left")
    for row in rows[:_SHOWN]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"… and {len(rows) - _SHOWN} more; --json lists them all")
