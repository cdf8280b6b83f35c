"""`picmend abuse rules`: how rules stand for plans, and their next versions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.abuse_text import on_failure, print_lines, versioned_record
from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, fail, load_settings
from domain.admission import rule_store
from domain.admission.rulebook import Change, Rulebook, RuleSettingError, rule_named
from domain.admission.rules import RULES
from domain.admission.rules.ladder import Ladder, Mode, Severity
from domain.admission.rules.rule import EVERY_OTHER
from domain.catalogue import plans
from domain.catalogue.plans import PlanUnknownError
from infra.clock import SystemClock

app = typer.Typer(
    name="rules", help="How rules stand for plans, and their versions.", no_args_is_help=True
)

_CLOCK: Final = SystemClock()

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RuleArgument = Annotated[str, typer.Argument(metavar="RULE", help="Such as burst.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        help='NAME=VALUE, one or several: window=PT10M, at_least=500, share=0.5, plans=["free"].',
    ),
]


class OnFailure(StrEnum):
    """What follows when a rule itself fails."""

    OPEN = "open"
    CLOSED = "closed"


@app.command("list")
def list_rules(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all rules, with how each stands for each plan; `*` is every plan that is not named."""
    with transaction(load_settings(data_dir)) as conn:
        rule_store.write_defaults(conn, _CLOCK.now())
        book = rule_store.load(conn)
    if as_json:
        print_json(
            {
                "rules": [versioned_record(each) for each in book.settings.values()],
                "unreadable": list(book.unreadable),
            }
        )
        return
    _print(book, list(RULES))


@app.command()
def show(rule: RuleArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a rule: what it finds, its parameters and ladder for each plan, all its versions."""
    try:
        found = rule_named(rule)
    except RuleSettingError as error:
        fail(str(error), EXIT_FAILED)
    with transaction(load_settings(data_dir)) as conn:
        rule_store.write_defaults(conn, _CLOCK.now())
        book, versions = rule_store.load(conn), rule_store.history(conn, rule)
        allowed = [a for a in rule_store.allowed(conn, _CLOCK.now()) if a.rule == rule]
    now = [each for (name, _), each in book.settings.items() if name == rule]
    if as_json:
        print_json(
            {
                "rule": rule,
                "finds": found.says,
                "kinds": sorted(found.kinds),
                "settings": [versioned_record(each) for each in now],
                "versions": versions,
                "allowed": [asdict(each) for each in allowed],
            }
        )
        return
    print_lines(f"{rule}: {found.says}", f"It is asked of: {', '.join(sorted(found.kinds))}")
    for each in now:
        print_lines(f"Plan {each.plan}, version {each.version}: {each.setting.mode}")
        values = each.setting.parameters.model_dump(mode="json")
        print_table(("parameter", "value"), list(values.items()))
        print_lines(f"Ladder: {ladder_text(each.setting.ladder)}")
    if len(versions) > len(now):
        print_table(
            ("plan", "version", "mode", "parameters", "by", "at (UTC)"),
            [
                (v["plan"], v["version"], v["mode"], json.dumps(v["parameters"]), v["by"], v["at"])
                for v in versions
            ],
        )
    if allowed:
        print_table(
            ("overlooks", "until (UTC)", "reason", "by"),
            [(a.subject, a.until, a.reason, a.by) for a in allowed],
        )


@app.command("set")
def set_rule(
    rule: RuleArgument,
    *,
    plan: Annotated[str, typer.Option(help="`*`: every plan that is not named.")] = EVERY_OTHER,
    mode: Annotated[Mode | None, typer.Option(help="What it may do.")] = None,
    param: Params = None,
    severity: Annotated[Severity | None, typer.Option(help="Of its findings.")] = None,
    ladder: Annotated[
        str | None,
        typer.Option(help='JSON: [{"step": "flag"}, {"step": "slow_down", "after": "PT10M"}, …].'),
    ] = None,
    fail_: Annotated[
        OnFailure | None, typer.Option("--fail", help="closed: hold jobs when it fails.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who does this, for the record.")] = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a rule's next version for a plan: what is not named stays. In force within a second.

    Without --plan it is for every plan that has no version of its own. What cannot be is refused,
    with the field and the value, and the version before stays in force.
    """
    change = Change(
        parameters=parameters_of(param or ()),
        mode=mode,
        severity=severity,
        ladder=_json_of(ladder) if ladder is not None else None,
        fail_closed=None if fail_ is None else fail_ is OnFailure.CLOSED,
    )
    if change == Change():
        raise typer.BadParameter("name what is to be different")
    try:
        with transaction(load_settings(data_dir)) as conn:
            if plan != EVERY_OTHER:
                plans.require(conn, plan)
            written = rule_store.write(conn, rule, plan, change, by=by, at=_CLOCK.now())
            others = sorted(
                each.plan
                for (name, of), each in rule_store.load(conn).settings.items()
                if name == rule and of != plan
            )
    except (RuleSettingError, PlanUnknownError) as error:
        fail(str(error), EXIT_FAILED)
    if as_json:
        print_json(versioned_record(written))
        return
    print_lines(f"{rule} is version {written.version} for plan {plan}: {written.setting.mode}.")
    if plan == EVERY_OTHER and others:
        print_lines(f"Plans with versions of their own are as before: {', '.join(others)}.")


def parameters_of(given: Sequence[str]) -> dict[str, object]:
    """Read NAME=VALUE: a value is JSON, or else a text such as PT10M."""
    parameters: dict[str, object] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--param")
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    return parameters


def ladder_text(ladder: Ladder) -> str:
    """Say the steps of a ladder in one line."""
    steps: list[str] = []
    for rung in ladder.root:
        words = [str(rung.step)]
        if rung.operation:
            words.append(f"{rung.operation}")
        if rung.after:
            words.append(f"after {rung.after}")
        if rung.expires_after:
            words.append(f"for {rung.expires_after}")
        steps.append(" ".join(words))
    return "; ".join(steps)


def _json_of(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"it is no JSON: {error}", param_hint="--ladder") from error


def _print(book: Rulebook, rules: Sequence[str]) -> None:
    rows = [
        (
            each.rule.name,
            each.plan,
            each.version,
            each.setting.mode,
            each.setting.severity,
            on_failure(each),
            ladder_text(each.setting.ladder),
        )
        for name in rules
        for (of, _), each in book.settings.items()
        if of == name
    ]
    print_table(("rule", "plan", "version", "mode", "severity", "on failure", "ladder"), rows)
    for each in book.unreadable:
        print_lines(f"Cannot be read, so that the version before it counts: {each}")
