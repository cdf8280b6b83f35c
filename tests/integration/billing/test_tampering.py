"""What a hand in psql can do to money under the application's role: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest

from domain.billing import checks, service
from domain.billing.model import FindingCode, NewHold, Usage
from schemas.ids import AccountId

if TYPE_CHECKING:
    from infra.stack.isolation import Database

NewAccount = Callable[[int], AccountId]
Ask = Callable[[AccountId, int], NewHold]
Tell = Callable[[NewHold, str], Usage]

# Each is tried after an account got 100, a job was charged 30 and another holds 20.
AS_APPLICATION: dict[str, LiteralString] = {
    "an unbalanced transaction": """
        WITH t AS (
            INSERT INTO ledger_transactions (kind, account_id, at)
            VALUES ('top_up', 'acc_1', now()) RETURNING id
        )
        INSERT INTO ledger_entries SELECT 2, 99, id, 5, 5 FROM t""",
    "an entry in an old transaction": "INSERT INTO ledger_entries VALUES (1, 99, 1, 5, 5)",
    "a transaction without entries": """
        INSERT INTO ledger_transactions (kind, account_id, at)
        VALUES ('top_up', 'acc_1', now())""",
    "changing an entry": "UPDATE ledger_entries SET amount = amount + 1",
    "deleting an entry": "DELETE FROM ledger_entries",
    "emptying the entries": "TRUNCATE ledger_entries",
    "changing a transaction": "UPDATE ledger_transactions SET at = now()",
    "deleting a transaction": "DELETE FROM ledger_transactions",
    "emptying the transactions": "TRUNCATE ledger_transactions CASCADE",
    "changing a balance": "UPDATE ledger_accounts SET balance = 1000000",
    "lifting a limit": "UPDATE ledger_accounts SET at_least = NULL",
    "adding a ledger account": """
        INSERT INTO ledger_accounts (account_id, name, unit, balance)
        VALUES ('acc_9', 'available', 'CNY', 5)""",
    "reopening a hold": "UPDATE holds SET state = 'open', closed_at = NULL",
    "ending a hold": "UPDATE holds SET state = 'released', closed_at = now()",
    "changing what is held": "UPDATE holds SET amount = 1",
    "inventing a hold": """
        INSERT INTO holds (job_id, account_id, unit, amount, admitted_at)
        VALUES ('job_9', 'acc_1', 'CNY', 0, now())""",
    "deleting a hold": "DELETE FROM holds",
    "changing usage": "UPDATE usage_events SET outcome = 'failed'",
    "inventing usage": "INSERT INTO usage_events SELECT * FROM usage_events",
    "freeing an idempotency key": "DELETE FROM billing_idempotency",
    "disabling a trigger": "ALTER TABLE ledger_entries DISABLE TRIGGER balanced",
    "disabling all triggers": "SET session_replication_role = replica",
    "dropping a trigger": "DROP TRIGGER balanced ON ledger_entries",
    "dropping a constraint": """
        ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_within_limits""",
    "adding a trigger": """
        CREATE TRIGGER mine AFTER INSERT ON ledger_entries
        EXECUTE FUNCTION billing_is_append_only()""",
    "adding a rule": "CREATE RULE mine AS ON INSERT TO ledger_entries DO INSTEAD NOTHING",
    "replacing a function": """
        CREATE OR REPLACE FUNCTION public.ledger_spend(spent bigint, free bigint, amount bigint)
        RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'""",
    "writing lines directly": """
        SELECT ledger_write(ARRAY[
            ROW(99, 'top_up', 'acc_1', NULL, NULL, now(), 2, 5)::ledger_line
        ])""",
    "moving money directly": """
        SELECT ledger_move(99, 'top_up', 'acc_1', NULL, 'revenue', 'available', 5, now())""",
    "taking a key directly": "SELECT billing_take_key('acc_1', 'k', to_jsonb(1), 1, now())",
    "turning the sequence back": "SELECT setval('ledger_transactions_id_seq', 1)",
    "a negative top-up": "SELECT billing_top_up('acc_1', -5, 'mine', now())",
    "a top-up of nothing known": "SELECT billing_top_up('acc_1', NULL, 'mine', now())",
    "a negative credit": "SELECT billing_credit('job_2', -5, 'mine', now())",
    "a credit of more than was charged": "SELECT billing_credit('job_2', 31, 'mine', now())",
    "reversing a charge": """
        SELECT billing_reverse(max(id), 'mine', now()) FROM ledger_transactions
        WHERE kind = 'capture'""",
    "a fraction of a minor unit": """
        SELECT billing_post_holds(jsonb_build_array(jsonb_build_object(
            'job_id', 'job_9', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', 1.5,
            'admitted_at', now())))""",
    "a hold twice in one call": """
        SELECT billing_post_holds(jsonb_build_array(h, h)) FROM jsonb_build_object(
            'job_id', 'job_9', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', 1,
            'admitted_at', now()) h""",
}

# Calls that succeed and must do nothing.
HARMLESS: dict[str, LiteralString] = {
    "a negative hold": """
        SELECT billing_post_holds(jsonb_build_array(jsonb_build_object(
            'job_id', 'job_9', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', -5,
            'admitted_at', now())))""",
    "releasing what was charged": """
        SELECT billing_record_usage(jsonb_build_array(jsonb_build_object(
            'job_id', 'job_2', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', 30,
            'outcome', 'failed', 'operation', 'identity', 'environment', 'live',
            'input_bytes', 1, 'input_pixels', 1, 'ended_at', now())), now())""",
    "capturing less than the hold": """
        SELECT billing_record_usage(jsonb_build_array(jsonb_build_object(
            'job_id', 'job_3', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', 1,
            'outcome', 'succeeded', 'operation', 'identity', 'environment', 'live',
            'input_bytes', 1, 'input_pixels', 1, 'ended_at', now())), now())""",
    "shadowing the tables": """
        CREATE TEMP TABLE ledger_accounts (id bigint, account_id text, name text, unit text,
            balance bigint, version bigint);
        INSERT INTO ledger_accounts VALUES (1, 'acc_1', 'available', 'CNY', 1000000, 1);
        SELECT billing_post_holds(jsonb_build_array(jsonb_build_object(
            'job_id', 'job_9', 'account_id', 'acc_1', 'unit', 'CNY', 'amount', 1000,
            'admitted_at', now())));
        DROP TABLE pg_temp.ledger_accounts""",
}

# Slips of whoever owns the tables; the triggers stop those too.
AS_OWNER: dict[str, LiteralString] = {
    "an unbalanced transaction": """
        WITH t AS (
            INSERT INTO ledger_transactions (kind, account_id, at)
            VALUES ('top_up', 'acc_1', now()) RETURNING id
        ),
        a AS (
            UPDATE ledger_accounts SET balance = balance + 5, version = version + 1
            WHERE account_id = 'acc_1' AND name IN ('available', 'revenue') RETURNING *
        )
        INSERT INTO ledger_entries SELECT a.id, a.version, t.id, 5, a.balance FROM t, a""",
    "a balanced one that leaves the balances as they were": """
        WITH t AS (
            INSERT INTO ledger_transactions (kind, account_id, at)
            VALUES ('top_up', 'acc_1', now()) RETURNING id
        )
        INSERT INTO ledger_entries
        SELECT a.id, a.version + 1, t.id, x.amount, a.balance + x.amount
        FROM t, ledger_accounts a JOIN (VALUES ('funding', -5), ('available', 5)) x (name, amount)
            ON x.name = a.name
        WHERE a.account_id = 'acc_1'""",
    "a balanced addition to an old transaction": """
        WITH a AS (
            UPDATE ledger_accounts a
            SET balance = balance + x.amount, version = version + 1
            FROM (VALUES ('funding', -5), ('available', 5)) x (name, amount)
            WHERE a.account_id = 'acc_1' AND a.name = x.name
            RETURNING a.id, a.version, a.balance, x.amount
        )
        INSERT INTO ledger_entries SELECT id, version, 1, amount, balance FROM a""",
    "a balanced transaction that is not there": """
        WITH a AS (
            UPDATE ledger_accounts a
            SET balance = balance + x.amount, version = version + 1
            FROM (VALUES ('funding', -5), ('available', 5)) x (name, amount)
            WHERE a.account_id = 'acc_1' AND a.name = x.name
            RETURNING a.id, a.version, a.balance, x.amount
        )
        INSERT INTO ledger_entries SELECT id, version, 12345, amount, balance FROM a""",
    "a transaction without entries": AS_APPLICATION["a transaction without entries"],
    "changing an entry": AS_APPLICATION["changing an entry"],
    "deleting an entry": AS_APPLICATION["deleting an entry"],
    "emptying the entries": AS_APPLICATION["emptying the entries"],
    "reopening a hold": "UPDATE holds SET state = 'open', closed_at = NULL WHERE state <> 'open'",
    "ending a hold otherwise": "UPDATE holds SET state = 'released' WHERE state = 'captured'",
    "ending a hold without usage": """
        UPDATE holds SET state = 'released', closed_at = now() WHERE state = 'open'""",
    "changing what is held": "UPDATE holds SET amount = amount + 1 WHERE state = 'open'",
    "moving a hold to another job": "UPDATE holds SET job_id = 'job_9' WHERE state = 'open'",
    "deleting a hold": "DELETE FROM holds WHERE state = 'open'",
    "an overdraft": """
        UPDATE ledger_accounts SET balance = -1 WHERE account_id = 'acc_1' AND name = 'held'""",
}


@pytest.fixture(autouse=True)
def spent(
    conn: psycopg.Connection, at: datetime, new_account: NewAccount, new_hold: Ask, usage_of: Tell
) -> None:
    account = new_account(100)
    charged, held = new_hold(account, 30), new_hold(account, 20)
    service.post_holds(conn, [charged, held])
    service.record_usage(conn, [usage_of(charged, "succeeded")], at=at)
    conn.commit()


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


def contents(conn: psycopg.Connection) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for query in (
        "TABLE public.ledger_accounts ORDER BY id",
        "TABLE public.ledger_transactions ORDER BY id",
        "TABLE public.ledger_entries ORDER BY ledger_account_id, version",
        "TABLE public.holds ORDER BY job_id",
        "TABLE public.usage_events ORDER BY id",
        "TABLE public.billing_idempotency ORDER BY account_id, key",
    ):
        rows += conn.execute(query.encode()).fetchall()
    return rows


def refusal(conn: psycopg.Connection, attempt: LiteralString) -> str | None:
    """Return the SQLSTATE with which an attempt was refused; none if it was not."""
    try:
        conn.execute(attempt)
        conn.commit()
    except psycopg.DatabaseError as error:
        conn.rollback()
        return error.sqlstate
    return None


def test_nothing_that_the_application_may_say_breaks_the_ledger(
    conn: psycopg.Connection, owner: psycopg.Connection
) -> None:
    before = contents(owner)
    for name, attempt in AS_APPLICATION.items():
        assert refusal(conn, attempt) in {"42501", "23514", "23505", "22P02", "PM003", "PM004"}, (
            name
        )
        assert contents(owner) == before, name


def test_calls_that_make_no_sense_change_nothing(
    conn: psycopg.Connection, owner: psycopg.Connection
) -> None:
    before = contents(owner)
    for name, attempt in HARMLESS.items():
        conn.execute(attempt)
        conn.commit()
        assert contents(owner) == before, name


def test_a_slip_of_the_owner_is_stopped_by_the_triggers(owner: psycopg.Connection) -> None:
    before = contents(owner)
    for name, attempt in AS_OWNER.items():
        assert refusal(owner, attempt) in {"23000", "23001", "23514"}, name
        assert contents(owner) == before, name


def test_the_application_may_read_money_and_call_six_functions(conn: psycopg.Connection) -> None:
    tables = conn.execute(
        """
        SELECT table_name, string_agg(privilege_type, ' ') FROM information_schema.table_privileges
        WHERE grantee IN ('picmend_app', 'PUBLIC')
        AND (table_name ~ '^(ledger|billing)_' OR table_name IN ('holds', 'usage_events'))
        GROUP BY table_name"""
    ).fetchall()
    functions = conn.execute(
        """
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
        AND proname ~ '^(ledger|billing|holds)_' AND has_function_privilege(oid, 'EXECUTE')
        ORDER BY proname"""
    ).fetchall()

    assert dict(tables) == dict.fromkeys(
        (
            "ledger_accounts",
            "ledger_transactions",
            "ledger_entries",
            "holds",
            "usage_events",
            "billing_idempotency",
        ),
        "SELECT",
    )
    assert [name for (name,) in functions] == [
        "billing_credit",
        "billing_open_accounts",
        "billing_post_holds",
        "billing_record_usage",
        "billing_reverse",
        "billing_top_up",
    ]


GUARDS_OFF = """
    ALTER TABLE ledger_accounts DISABLE TRIGGER USER;
    ALTER TABLE ledger_transactions DISABLE TRIGGER USER;
    ALTER TABLE ledger_entries DISABLE TRIGGER USER;
    ALTER TABLE holds DISABLE TRIGGER USER;
    ALTER TABLE usage_events DISABLE TRIGGER USER;
    ALTER TABLE usage_events DROP CONSTRAINT usage_events_job_id_fkey"""

DAMAGE: dict[FindingCode, LiteralString] = {
    FindingCode.TRANSACTION_UNBALANCED: "UPDATE ledger_entries SET amount = 31 WHERE amount = 30",
    FindingCode.TRANSACTION_INCOMPLETE: "DELETE FROM ledger_entries WHERE transaction_id = 1",
    FindingCode.BALANCE_DRIFT: "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 1",
    FindingCode.HISTORY_BROKEN: "UPDATE ledger_entries SET version = 99 WHERE amount = 100",
    FindingCode.BALANCE_OUT_OF_LIMITS: """
        ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_within_limits;
        UPDATE ledger_accounts SET at_most = 1 WHERE name = 'available'""",
    FindingCode.HELD_DRIFT: "UPDATE holds SET amount = 21 WHERE amount = 20",
    FindingCode.HOLD_WITHOUT_TRANSACTION: "DELETE FROM holds WHERE amount = 20",
    FindingCode.HOLD_NOT_SETTLED: "UPDATE holds SET state = 'released' WHERE amount = 30",
    FindingCode.DOUBLE_CHARGE: """
        DROP INDEX ledger_transactions_once_per_job;
        WITH t AS (
            INSERT INTO ledger_transactions (kind, account_id, job_id, at)
            VALUES ('capture', 'acc_1', 'job_2', now()) RETURNING id
        )
        INSERT INTO ledger_entries SELECT a.id, 99, t.id, x.amount, 0
        FROM t, ledger_accounts a JOIN (VALUES ('held', -30), ('revenue', 30)) x (name, amount)
            ON x.name = a.name""",
    FindingCode.CLOSED_WITHOUT_USAGE: "DELETE FROM usage_events",
    FindingCode.USAGE_CONTRADICTS_HOLD: """
        UPDATE usage_events SET outcome = 'failed', charged = 0""",
    FindingCode.USAGE_WITHOUT_HOLD: "DELETE FROM holds WHERE amount = 30",
}


@pytest.mark.parametrize("code", list(FindingCode))
def test_damage_done_with_the_guards_off_is_found_by_its_name(
    conn: psycopg.Connection, owner: psycopg.Connection, code: FindingCode
) -> None:
    assert checks.check(conn) == []
    conn.commit()
    owner.execute(GUARDS_OFF)
    owner.execute(DAMAGE[code])

    assert code in {finding.code for finding in checks.check(conn)}
