"""`picmend ledger`: does it balance, what has an account, what happened to its money."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg import Connection
from rich.console import Console
from rich.table import Table

from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from domain.billing import checks, money, reports, service
from domain.billing.errors import AmountError, BillingError
from domain.billing.model import Finding
from domain.pipeline import check as pipeline_check
from infra.clock import SystemClock
from schemas.ids import AccountId

app = typer.Typer(name="ledger", help="The ledger: check it, read it, add money to an account.")

_BEGINNING = datetime.min.replace(tzinfo=UTC)

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as acc_…")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC.")]


@app.command()
def check(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Ask every rule of the whole ledger, and whether jobs and holds agree.

    Exit code 1 when one is broken, with its name.
    """
    with _ledger(data_dir) as conn:
        findings: list[Finding | pipeline_check.Finding] = [
            *checks.check(conn),
            *pipeline_check.holds_agree(conn, now=SystemClock().now()),
        ]
        total = checks.ledger_sum(conn)
    if as_json:
        _print_json({"findings": [asdict(finding) for finding in findings], "ledger_sum": total})
    elif findings:
        _print_table(
            ("finding", "of", "what"), [(f.code.value, f.subject, f.detail) for f in findings]
        )
    else:
        Console().print(f"The ledger holds; all entries sum to {total}.")
    if findings or total:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def balance(account: AccountArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what an account can spend and what is held for its jobs."""
    with _ledger(data_dir) as conn:
        found = service.balance(conn, AccountId(account))
    if as_json:
        _print_json({"account": account, **asdict(found)})
        return
    Console().print(
        f"{money.to_text(found.available, found.unit)} available, "
        f"{money.to_text(found.held, found.unit)} held"
    )


@app.command()
def statement(
    account: AccountArgument,
    *,
    start: Day = None,
    end: Day = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to an account's money, from --start until before --end."""
    since = start.replace(tzinfo=UTC) if start else _BEGINNING
    until = end.replace(tzinfo=UTC) if end else SystemClock().now()
    with _ledger(data_dir) as conn:
        found = reports.statement(conn, AccountId(account), since, until)
    if as_json:
        _print_json({**asdict(found), "closing": found.closing})
        return
    rows = [
        (
            f"{line.at:%Y-%m-%d %H:%M:%S}",
            line.kind.value,
            line.job_id or "",
            line.ledger.value,
            money.to_text(line.amount, found.unit),
            money.to_text(line.balance_after, found.unit),
        )
        for line in found.lines
    ]
    _print_table(("at (UTC)", "what", "job", "ledger", "amount", "balance"), rows)
    Console().print(
        f"Available and held: {money.to_text(found.opening, found.unit)} before, "
        f"{money.to_text(found.closing, found.unit)} after."
    )


@app.command("top-up")
def top_up(
    account: AccountArgument,
    amount: Annotated[str, typer.Argument(help="In the account's currency, such as 12.50")],
    *,
    key: Annotated[str, typer.Option(help="Names this payment; again with it adds nothing.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add money to what an account can spend."""
    with _ledger(data_dir) as conn:
        unit = service.balance(conn, AccountId(account)).unit
        transaction = service.top_up(
            conn,
            AccountId(account),
            money.to_minor(amount, unit),
            key=key,
            at=SystemClock().now(),
        )
        now = service.balance(conn, AccountId(account))
    if as_json:
        _print_json({"account": account, "transaction_id": transaction, **asdict(now)})
        return
    Console().print(
        f"Transaction {transaction}: {money.to_text(now.available, now.unit)} available now."
    )


@contextmanager
def _ledger(data_dir: Path | None) -> Iterator[Connection]:
    """Give a connection in one transaction, and end the command in words when it fails."""
    url = load_settings(data_dir).database_url.get_secret_value()
    try:
        with psycopg.connect(url, connect_timeout=5) as conn:
            yield conn
    except AmountError as error:
        raise typer.BadParameter(str(error), param_hint="AMOUNT") from error
    except BillingError as error:
        fail(f"Refused: {error}")
    except psycopg.OperationalError as error:
        fail(f"Postgres does not answer: {error}", EXIT_NO_STACK)


def _print_json(value: dict[str, object]) -> None:
    typer.echo(json.dumps(value, default=_iso, ensure_ascii=False))


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON form")


def _print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
