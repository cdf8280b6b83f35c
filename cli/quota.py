"""`picmend quota`: plans and their limits, what accounts use of theirs, and overrides of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from psycopg import Connection

from cli.books import print_json, transaction
from cli.context import EXIT_FAILED, fail, load_settings
from cli.quota_text import (
    override_record,
    plan_record,
    print_overrides,
    print_plan,
    print_standings,
    print_terms,
    show_override,
    standing_record,
    terms_record,
)
from domain.accounts import store as accounts
from domain.accounts.model import Account, AccountUnknownError
from domain.admission import overrides, plan_limits
from domain.admission.limits import UNLIMITED, Limit, LimitInvalidError
from domain.admission.overrides import OverrideError
from domain.admission.windows import TimeZoneUnknownError, zone
from domain.catalogue import plans
from domain.catalogue.plans import PlanUnknownError
from domain.pipeline.assign import assign as assign_account
from domain.pipeline.standing import standing
from infra.clock import SystemClock
from infra.settings import Settings
from schemas.ids import AccountId

app = typer.Typer(
    name="quota", help="Plans, limits and their overrides, and what is used.", no_args_is_help=True
)
plan_app = typer.Typer(name="plan", help="Add a plan, or change one.", no_args_is_help=True)
app.add_typer(plan_app)

_CLOCK: Final = SystemClock()
_WRITTEN: Final = (
    "[OPERATION:]QUOTA=VALUE, such as jobs_per_day=1000, upscale:jobs_per_day=20, "
    f"jobs_waiting={UNLIMITED}."
)
_TIME: Final = "ISO 8601; without an offset, in the account's time zone."

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as acc_…")]
By = Annotated[str, typer.Option(help="Who does this, for the record.")]


@app.command("plans")
def list_plans(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the plans, each with its weight in the queue and its limits."""
    with _books(load_settings(data_dir)) as conn:
        weights, limits = plans.weights(conn), plan_limits.every(conn)
    if as_json:
        print_json(
            {"plans": [plan_record(name, w, limits.get(name, [])) for name, w in weights.items()]}
        )
        return
    for name, weight in weights.items():
        print_plan(name, weight, limits.get(name, []))


@plan_app.command("set")
def set_plan(
    name: Annotated[str, typer.Argument(metavar="PLAN", help="One there is, or a new one.")],
    *,
    weight: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Turns in the queue; a new plan has 1 unless given."),
    ] = None,
    limit: Annotated[list[str] | None, typer.Option(help=f"One or several: {_WRITTEN}")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a plan, or change its weight and the limits that are named; the others stay.

    It counts from the next decision on, for every account on the plan.
    """
    if plans.NAME.fullmatch(name) is None:
        raise typer.BadParameter(
            "a plan's name has 1 to 32 of a-z, 0-9 and -, and begins with a letter",
            param_hint="PLAN",
        )
    limits = [_limit(text, "--limit") for text in limit or ()]
    with _books(load_settings(data_dir)) as conn:
        before = plans.weights(conn).get(name, 1)
        plans.put(conn, name, weight=before if weight is None else weight)
        plan_limits.put(conn, name, limits)
        now, found = plans.weights(conn)[name], plan_limits.every(conn).get(name, [])
    if as_json:
        print_json(plan_record(name, now, found))
    else:
        print_plan(name, now, found)


@app.command()
def show(account: AccountArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show an account's limits: where each comes from, what is used and left, and until when."""
    at = _CLOCK.now()
    with _books(load_settings(data_dir)) as conn:
        found = _found(conn, account)
        limits = standing(conn, found, at)
        own = overrides.of_account(conn, found.id)
    if as_json:
        print_json(
            {
                **terms_record(found),
                "at": at,
                "limits": [standing_record(each, found.plan) for each in limits],
                "overrides": [override_record(each, at) for each in own],
            }
        )
        return
    print_terms(found)
    print_standings(limits, found.plan)
    if own:
        print_overrides(own, at)


@app.command()
def override(
    account: AccountArgument,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help=_WRITTEN)],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    start: Annotated[str | None, typer.Option(help=f"From when; now unless given. {_TIME}")] = None,
    end: Annotated[
        str | None, typer.Option(help=f"Until when; for good unless given. {_TIME}")
    ] = None,
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give an account another limit than its plan's, or none, for a time.

    Refused when another override says something else about a moment of that time.
    """
    wanted = _limit(limit, "LIMIT")
    at = _CLOCK.now()
    with _books(load_settings(data_dir)) as conn:
        found = _found(conn, account)
        made = overrides.add(
            conn,
            found.id,
            wanted,
            starts_at=_moment(start, found, "--start") or at,
            ends_at=_moment(end, found, "--end"),
            reason=reason,
            by=by,
            at=at,
        )
    show_override(made, at, as_json=as_json)


@app.command("end-override")
def end_override(
    number: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="From `quota show`.")
    ],
    *,
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End an override now, or before it begins. Again is harmless."""
    at = _CLOCK.now()
    with _books(load_settings(data_dir)) as conn:
        ended = overrides.end(conn, number, by=by, at=at)
    show_override(ended, at, as_json=as_json)


@app.command()
def assign(
    account: AccountArgument,
    *,
    plan: Annotated[str | None, typer.Option(help="See `picmend quota plans`.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Where its days and months begin, such as Asia/Shanghai.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put an account on another plan, or its calendar into another time zone, from now on.

    What was counted before stays on the day it was counted on.
    """
    if plan is None and time_zone is None:
        raise typer.BadParameter("give --plan, --time-zone, or both")
    with _books(load_settings(data_dir)) as conn:
        named = _found(conn, account)
        found = assign_account(conn, named.id, plan=plan, time_zone=time_zone)
    if as_json:
        print_json(terms_record(found))
    else:
        print_terms(found)


@contextmanager
def _books(settings: Settings) -> Iterator[Connection]:
    """Give one transaction, and end the command in words when what it asks for is refused."""
    try:
        with transaction(settings) as conn:
            yield conn
    except (AccountUnknownError, PlanUnknownError, OverrideError, TimeZoneUnknownError) as error:
        fail(str(error), EXIT_FAILED)


def _found(conn: Connection, account_id: str) -> Account:
    found = accounts.get(conn, AccountId(account_id)) if "\0" not in account_id else None
    if found is None:
        raise AccountUnknownError(account_id)
    return found


def _limit(text: str, where: str) -> Limit:
    try:
        return Limit.parse(text)
    except LimitInvalidError as error:
        raise typer.BadParameter(str(error), param_hint=where) from error


def _moment(text: str | None, account: Account, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        own = given if given.tzinfo else given.replace(tzinfo=zone(account.time_zone))
        return own.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is no time; write such as 2026-03-01 or 2026-03-01T09:00+08:00",
            param_hint=where,
        ) from error
