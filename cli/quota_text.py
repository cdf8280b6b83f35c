"""Plans, limits and overrides, as `picmend quota` prints them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from cli.books import print_json, print_table
from domain.accounts.model import Account
from domain.admission.limits import UNLIMITED, Limit
from domain.admission.overrides import Override
from domain.pipeline.standing import Standing


def plan_record(name: str, weight: int, limits: Sequence[Limit]) -> dict[str, object]:
    """Return a plan, its weight and its limits."""
    return {"name": name, "weight": weight, "limits": [_allowed(limit) for limit in limits]}


def _allowed(limit: Limit) -> dict[str, object]:
    return {"quota": limit.quota, "operation": limit.operation, "value": limit.value}


def terms_record(account: Account) -> dict[str, object]:
    """Return which plan an account is on, and where its days begin."""
    return {"account_id": account.id, "plan": account.plan, "time_zone": account.time_zone}


def standing_record(each: Standing, plan: str) -> dict[str, object]:
    """Return a limit of an account on a plan, and how it stands to it."""
    return {
        **_allowed(each.limit),
        "from": "override" if each.override else "plan",
        "plan": plan,
        "override": each.override.id if each.override else None,
        "used": each.used,
        "left": each.left,
        "resets_at": each.resets_at,
    }


def override_record(each: Override, at: datetime) -> dict[str, object]:
    """Return an override, and how it is with it at `at`."""
    return {
        "id": each.id,
        "account_id": each.account_id,
        **_allowed(each.limit),
        "starts_at": each.starts_at,
        "ends_at": each.ends_at,
        "state": _state(each, at),
        "reason": each.reason,
        "by": each.by,
        "at": each.at,
        "ended_by": each.ended_by,
    }


def _state(each: Override, at: datetime) -> str:
    if each.in_force(at):
        return "in force"
    return "to come" if at < each.starts_at != each.ends_at else "over"


def _origin(each: Standing, plan: str) -> str:
    return f"override {each.override.id}" if each.override else f"plan {plan}"


def print_plan(name: str, weight: int, limits: Sequence[Limit]) -> None:
    """Print a plan, its weight and its limits."""
    Console().print(f"{name}: weight {weight}", markup=False, highlight=False)
    print_table(("limit", "allowed"), [(each.name, each.value) for each in limits])


def print_terms(account: Account) -> None:
    """Print which plan an account is on, and where its days begin."""
    Console().print(
        f"{account.id} is on plan {account.plan}; its days begin in {account.time_zone}.",
        markup=False,
        highlight=False,
    )


def print_overrides(found: Sequence[Override], at: datetime) -> None:
    """Print overrides, and how it is with them at `at`."""
    print_table(
        ("override", "limit", "from (UTC)", "until (UTC)", "", "reason", "by", "ended by"),
        [
            (
                each.id,
                str(each.limit),
                each.starts_at.astimezone(UTC),
                each.ends_at and each.ends_at.astimezone(UTC),
                _state(each, at),
                each.reason,
                each.by,
                each.ended_by,
            )
            for each in found
        ],
    )


def show_override(found: Override, at: datetime, *, as_json: bool) -> None:
    """Print one override, in JSON or as a table."""
    if as_json:
        print_json(override_record(found, at))
    else:
        Console().print(f"Override {found.id} of {found.account_id}:", markup=False)
        print_overrides([found], at)


def print_standings(found: Sequence[Standing], plan: str) -> None:
    """Print the limits of an account on a plan, and how it stands to them."""
    print_table(
        ("limit", "from", "allowed", "used", "left", "begins anew (UTC)"),
        [
            (
                each.limit.name,
                _origin(each, plan),
                UNLIMITED if each.limit.value is None else each.limit.value,
                each.used,
                each.left,
                each.resets_at and each.resets_at.astimezone(UTC),
            )
            for each in found
        ],
    )
