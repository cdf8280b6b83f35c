"""`picmend abuse`: what rules against misuse found, what people say of it, and the rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from psycopg import Connection

from cli.abuse_backtest import backtest
from cli.abuse_rules import app as rules_app
from cli.abuse_text import (
    finding_record,
    moment,
    print_finding,
    print_findings,
    print_lines,
    restriction_record,
    subject_of,
)
from cli.books import print_json, transaction
from cli.context import EXIT_FAILED, fail, load_settings
from domain.admission import findings_store, restrictions, rule_store
from domain.admission.findings import Finding, FindingState
from domain.admission.findings_store import FindingFilter
from domain.admission.restrictions import Step
from domain.admission.rulebook import RuleSettingError
from domain.admission.rules.ladder import Mode
from domain.pipeline import resolve_finding
from domain.pipeline.resolve_finding import FindingResolvedError, FindingUnknownError
from infra.clock import SystemClock
from infra.settings import Settings

app = typer.Typer(
    name="abuse", help="What rules against misuse found, and the rules.", no_args_is_help=True
)
app.add_typer(rules_app)
app.command()(backtest)

_CLOCK: Final = SystemClock()

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FindingArgument = Annotated[str, typer.Argument(metavar="FINDING", help="Such as fnd_…")]
By = Annotated[str, typer.Option(help="Who does this, for the record.")]


class Verdict(StrEnum):
    """What a person says of a finding."""

    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


@app.command("list")
def list_findings(
    *,
    state: Annotated[list[FindingState] | None, typer.Option(help="One or several.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="One or several.")] = None,
    account: Annotated[str | None, typer.Option(help="Such as acc_…")] = None,
    mode: Annotated[Mode | None, typer.Option(help="shadow or enforced.")] = None,
    since: Annotated[str | None, typer.Option(help="Found since then; ISO 8601, UTC.")] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Only rules that failed.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List findings, the newest first."""
    wanted = FindingFilter(
        states=state or (),
        rules=rule or (),
        mode=mode,
        account_id=account,
        since=moment(since, "--since") if since else None,
        errors_only=errors,
    )
    with _books(load_settings(data_dir)) as conn:
        found = findings_store.page(conn, wanted, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    if as_json:
        print_json({"findings": [finding_record(each) for each in shown], "more": more})
        return
    print_findings(shown)
    if more:
        print_lines(f"There are more than these {limit}; see --limit.")


@app.command()
def show(finding: FindingArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a finding: its evidence, what it put in force, what people said of it."""
    with _books(load_settings(data_dir)) as conn:
        found = findings_store.get(conn, finding) if "\0" not in finding else None
        if found is None:
            raise FindingUnknownError(finding)
        _show(conn, found, as_json=as_json)


@app.command()
def resolve(
    finding: FindingArgument,
    *,
    as_: Annotated[Verdict, typer.Option("--as", help="What it is.")],
    note: Annotated[str, typer.Option(help="Why, for the record.")],
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that a finding is right, or that it is not: then all that it put in force is lifted.

    One that was confirmed can be dismissed later. What goes on after it was dismissed is found
    again, once the rule's window holds nothing else: see `abuse allow`.
    """
    with _books(load_settings(data_dir)) as conn:
        state = FindingState(as_)
        found = resolve_finding.resolve(conn, finding, state, note=note, by=by, clock=_CLOCK)
        _show(conn, found, as_json=as_json)


@app.command()
def appeal(
    finding: FindingArgument,
    *,
    text: Annotated[str, typer.Option(help="What the client says.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Note what a client says against a finding; nothing is lifted before it is resolved."""
    with _books(load_settings(data_dir)) as conn:
        found = resolve_finding.appeal(conn, finding, text, clock=_CLOCK)
        _show(conn, found, as_json=as_json)


@app.command()
def allow(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Such as burst.")],
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="An account, a key's id, or a network.")
    ],
    *,
    until: Annotated[str | None, typer.Option(help="ISO 8601, UTC; for good unless given.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Look at it again.")] = False,
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a rule overlook an account, key or network. What it found before stays as it is."""
    who, then = subject_of(subject, "SUBJECT"), moment(until, "--until") if until else None
    with _books(load_settings(data_dir)) as conn:
        if end:
            if not rule_store.disallow(conn, rule, who, at=_CLOCK.now()):
                fail(f"{rule} overlooks no {who.id}; see `picmend abuse rules show {rule}`")
        else:
            rule_store.allow(conn, rule, who, until=then, reason=reason, by=by, at=_CLOCK.now())
    if as_json:
        print_json({"rule": rule, "kind": who.kind, "subject": who.id, "until": then, "end": end})
    else:
        print_lines(f"{rule} {'looks at' if end else 'overlooks'} {who.id} from now on.")


def _show(conn: Connection, found: Finding, *, as_json: bool) -> None:
    put = restrictions.of_finding(conn, found.id)
    if as_json:
        print_json(
            {**finding_record(found), "restrictions": [restriction_record(each) for each in put]}
        )
        return
    print_finding(found, put)
    if found.step is not Step.FLAG and found.mode is Mode.SHADOW:
        print_lines("The rule only records: nothing was done.")


@contextmanager
def _books(settings: Settings) -> Iterator[Connection]:
    """Give one transaction, and end the command in words when what it asks for is refused."""
    try:
        with transaction(settings) as conn:
            yield conn
    except (FindingUnknownError, FindingResolvedError, RuleSettingError) as error:
        fail(str(error), EXIT_FAILED)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
