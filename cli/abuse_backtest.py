"""`picmend abuse backtest`: what rules would have found in stored facts, beside what was found."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.abuse_rules import parameters_of
from cli.abuse_text import evidence_text, finding_record, moment, print_lines
from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, fail, load_settings
from domain.admission import rule_store
from domain.admission.rulebook import (
    Change,
    Rulebook,
    RuleSettingError,
    Versioned,
    changed,
    rule_named,
)
from domain.admission.rules.ladder import Mode
from domain.pipeline.backtest import Compared, WouldFind
from domain.pipeline.backtest import backtest as walk

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def backtest(
    *,
    rule: Annotated[list[str], typer.Option(help="One or several.")],
    from_: Annotated[str, typer.Option("--from", help="The first minute; ISO 8601, UTC.")],
    to: Annotated[str, typer.Option(help="Behind the last minute; ISO 8601, UTC.")],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="NAME=VALUE, instead of the rule's own; of one rule alone."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="Only for this plan are --param instead of its own.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only this account and its keys.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask rules of the stored minutes of a time, and compare with what was found then.

    Rules that are off or in shadow are asked too. Changes nothing. Facts are kept for 90 days.
    """
    since, end = moment(from_, "--from"), moment(to, "--to")
    if since >= end:
        raise typer.BadParameter("it is not behind --from", param_hint="--to")
    given = parameters_of(param or ())
    if given and len(set(rule)) > 1:
        raise typer.BadParameter("name one rule, whose they are", param_hint="--param")
    columns = (TextColumn("subjects"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with (
        transaction(load_settings(data_dir)) as conn,
        Progress(*columns, console=console, transient=True, disable=as_json) as progress,
    ):
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        task = progress.add_task("", total=None)
        try:
            book = _asked(rule_store.load(conn), sorted(set(rule)), given, plan)
        except RuleSettingError as error:
            fail(str(error), EXIT_FAILED)
        compared = walk(
            conn,
            book,
            since=since,
            end=end,
            account_id=account,
            told=lambda done, of: progress.update(task, completed=done, total=of),
        )
    if as_json:
        print_json({"from": since, "to": end, "compared": [_record(each) for each in compared]})
        return
    print_table(
        ("rule", "subject", "first at (UTC)", "found", "minutes", "evidence"),
        [_row(each) for each in compared],
    )
    counts = {how: sum(_how(each) == how for each in compared) for how in _HOW}
    print_lines(", ".join(f"{count} {how}" for how, count in counts.items()))


_HOW: Final = ("now and then", "only now", "only then")


def _how(compared: Compared) -> str:
    if compared.then is None:
        return "only now"
    return "only then" if compared.now is None else "now and then"


def _asked(
    book: Rulebook, rules: list[str], given: dict[str, object], plan: str | None
) -> Rulebook:
    """Return how these rules are asked: switched on, and with what is given instead."""
    for name in rules:
        rule_named(name)
    settings: dict[tuple[str, str], Versioned] = {}
    wanted = {(n, p): each for (n, p), each in book.settings.items() if n in rules}
    if plan is not None and given:
        wanted |= {(name, plan): book.of(name, plan) for name in rules}
    for (name, of), each in wanted.items():
        setting = replace(each.setting, mode=Mode.SHADOW)
        if given and plan in (None, of):
            setting = changed(each.rule, setting, Change(parameters=given))
        settings[name, of] = replace(each, setting=setting)
    return Rulebook(settings)


def _row(compared: Compared) -> tuple[object, ...]:
    how = _how(compared)
    match compared:
        case Compared(now=WouldFind() as now):
            evidence = now.error or evidence_text(now.evidence)
            return (now.rule, now.subject.id, now.first_at, how, now.minutes, evidence)
        case _:
            then = compared.then
            evidence = evidence_text(then.evidence) if then else ""
            times = then.times if then else 0
            return (compared.rule, compared.subject.id, compared.at, how, times, evidence)


def _record(compared: Compared) -> dict[str, Any]:
    return {
        "rule": compared.rule,
        "kind": compared.subject.kind,
        "subject": compared.subject.id,
        "at": compared.at,
        "found": _how(compared),
        "now": {k: v for k, v in asdict(compared.now).items() if k != "subject"}
        if compared.now
        else None,
        "then": finding_record(compared.then) if compared.then else None,
    }
