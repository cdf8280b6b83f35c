from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner

from domain.billing import service
from domain.billing.model import NewHold, Usage
from schemas.ids import AccountId

if TYPE_CHECKING:
    from click.testing import Result

    from infra.stack import Stack
    from infra.stack.isolation import Database

NewAccount = Callable[[int], AccountId]
Ask = Callable[[AccountId, int], NewHold]
Tell = Callable[[NewHold, str], Usage]
Command = Callable[..., "Result"]


@pytest.fixture
def ledger(stack: Stack, database: Database) -> Command:
    """Run `picmend ledger` on this test's own database."""
    # Imported here: settings of the stack come with Kafka's client, which warns when imported.
    from cli.ledger import app  # noqa: PLC0415

    environment = {**stack.environment, "PICMEND_DATABASE_URL": database.app_url, "COLUMNS": "160"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment)

    return run


def test_a_sound_ledger_passes_the_check(ledger: Command, new_account: NewAccount) -> None:
    new_account(100)

    checked = ledger("check", "--json")

    assert checked.exit_code == 0
    assert json.loads(checked.stdout) == {"findings": [], "ledger_sum": 0}
    assert "holds" in ledger("check").stdout


def test_a_broken_ledger_fails_the_check_with_the_name_of_what_is_wrong(
    ledger: Command, database: Database, new_account: NewAccount
) -> None:
    account = new_account(100)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("UPDATE ledger_accounts SET balance = 101 WHERE name = 'available'")

    checked = ledger("check", "--json")

    assert checked.exit_code == 1
    (finding,) = json.loads(checked.stdout)["findings"]
    assert (finding["code"], finding["subject"]) == ("balance_drift", f"{account} available CNY")
    assert "balance_drift" in ledger("check").stdout


def test_a_top_up_is_in_yuan_and_counts_once_per_key(
    ledger: Command, new_account: NewAccount
) -> None:
    account = new_account(0)

    first = ledger("top-up", account, "12.5", "--key", "payment-1", "--json")
    again = ledger("top-up", account, "12.5", "--key", "payment-1", "--json")

    assert first.exit_code == 0, first.output
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert json.loads(first.stdout)["available"] == 125_000
    assert "12.5000 CNY available" in ledger("balance", account).stdout
    other = ledger("top-up", account, "13", "--key", "payment-1")
    assert (other.exit_code, "payment-1" in other.stderr) == (1, True)


def test_a_wrong_amount_or_account_is_said_and_changes_nothing(
    ledger: Command, new_account: NewAccount
) -> None:
    account = new_account(7)

    for amount in ("1,5", "0", "0.00001"):
        assert ledger("top-up", account, amount, "--key", "k").exit_code == 2
    unknown = ledger("balance", "acc_none")
    assert (unknown.exit_code, "acc_none" in unknown.stderr) == (1, True)
    assert json.loads(ledger("balance", account, "--json").stdout)["available"] == 7


def test_a_statement_shows_each_movement_and_where_it_ends(
    ledger: Command,
    conn: psycopg.Connection,
    new_account: NewAccount,
    new_hold: Ask,
    usage_of: Tell,
) -> None:
    account = new_account(100)
    hold = new_hold(account, 30)
    service.post_holds(conn, [hold])
    service.record_usage(conn, [usage_of(hold, "succeeded")], at=hold.admitted_at)
    conn.commit()

    shown = json.loads(ledger("statement", account, "--end", "2027-12-31", "--json").stdout)

    assert (shown["opening"], shown["closing"], shown["unit"]) == (0, 70, "CNY")
    assert [line["kind"] for line in shown["lines"]] == ["top_up", "hold", "hold", "capture"]
    written = ledger("statement", account, "--end", "2027-12-31").stdout
    assert hold.job_id in written
    assert "0.0070 CNY after" in written
