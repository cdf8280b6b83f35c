"""Does the ledger hold? Each rule asked of the whole of it, trusting no constraint."""

from psycopg import Connection
from psycopg.rows import TupleRow, tuple_row

from domain.billing.model import Finding, FindingCode

# One statement, so that all questions see one snapshot while money goes on moving.
_FINDINGS = """
WITH
transaction_sums AS (
    SELECT t.id, t.account_id, a.unit, count(e.*) AS entries, sum(e.amount) AS total
    FROM ledger_transactions t
    LEFT JOIN ledger_entries e ON e.transaction_id = t.id
    LEFT JOIN ledger_accounts a ON a.id = e.ledger_account_id
    GROUP BY t.id, t.account_id, a.unit
),
account_sums AS (
    SELECT
        a.id, a.account_id, a.name, a.unit, a.balance, a.version, a.at_least, a.at_most,
        coalesce(sum(e.amount), 0) AS total, count(e.*) AS entries
    FROM ledger_accounts a
    LEFT JOIN ledger_entries e ON e.ledger_account_id = a.id
    GROUP BY a.id
),
history AS (
    SELECT
        ledger_account_id, version, balance_after, amount,
        row_number() OVER steps AS place,
        sum(amount) OVER steps AS running
    FROM ledger_entries
    WINDOW steps AS (PARTITION BY ledger_account_id ORDER BY version ROWS UNBOUNDED PRECEDING)
),
held AS (
    SELECT account_id, unit, sum(balance) AS balance, sum(holds) AS holds
    FROM (
        SELECT account_id, unit, balance, 0 AS holds FROM ledger_accounts WHERE name = 'held'
        UNION ALL
        SELECT account_id, unit, 0, amount FROM holds WHERE state = 'open'
    ) both_sides
    GROUP BY account_id, unit
),
settled AS (
    SELECT
        t.job_id,
        count(DISTINCT t.id) FILTER (WHERE t.kind = 'hold') AS holds,
        count(DISTINCT t.id) FILTER (WHERE t.kind = 'capture') AS captures,
        count(DISTINCT t.id) FILTER (WHERE t.kind = 'release') AS releases,
        coalesce(sum(e.amount) FILTER (WHERE t.kind = 'hold'), 0) AS held,
        coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'capture'), 0) AS captured,
        coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'release'), 0) AS released
    FROM ledger_transactions t
    JOIN ledger_entries e ON e.transaction_id = t.id
    JOIN ledger_accounts a ON a.id = e.ledger_account_id AND a.name = 'held'
    WHERE t.kind IN ('hold', 'capture', 'release')
    GROUP BY t.job_id
),
hold_sums AS (
    SELECT
        coalesce(h.job_id, s.job_id) AS job_id, h.state, coalesce(h.amount, 0) AS amount,
        coalesce(s.holds, 0) AS holds, coalesce(s.captures, 0) AS captures,
        coalesce(s.releases, 0) AS releases, coalesce(s.held, 0) AS held,
        coalesce(s.captured, 0) AS captured, coalesce(s.released, 0) AS released
    FROM holds h FULL JOIN settled s ON s.job_id = h.job_id
)
SELECT 'transaction_unbalanced', id::text, format('sums to %s %s', total, unit)
FROM transaction_sums WHERE total <> 0
UNION ALL
SELECT 'transaction_incomplete', id::text, format('has %s entries', sum(entries))
FROM transaction_sums GROUP BY id HAVING sum(entries) < 2
UNION ALL
SELECT
    'balance_drift', format('%s %s %s', account_id, name, unit),
    format('shows %s at version %s; its %s entries sum to %s', balance, version, entries, total)
FROM account_sums WHERE (balance, version) <> (total, entries)
UNION ALL
SELECT
    'history_broken', ledger_account_id::text,
    format('entry %s shows %s after it, the %s. entry should show %s',
        version, balance_after, place, running)
FROM history WHERE (version, balance_after) <> (place, running)
UNION ALL
SELECT
    'balance_out_of_limits', format('%s %s %s', account_id, name, unit),
    format('is %s, must be from %s to %s', balance, at_least, at_most)
FROM account_sums WHERE balance < at_least OR balance > at_most
UNION ALL
SELECT
    'held_drift', format('%s %s', account_id, unit),
    format('held is %s, open holds sum to %s', balance, holds)
FROM held WHERE balance <> holds
UNION ALL
SELECT
    'hold_without_transaction', job_id,
    format('the hold is %s, its transactions hold %s', amount, held)
FROM hold_sums WHERE state IS NULL OR held <> amount OR holds > 1
UNION ALL
SELECT
    'hold_not_settled', job_id,
    format('%s of %s, but captured %s and released %s', state, amount, captured, released)
FROM hold_sums
WHERE (captured, released) <> (
    CASE state WHEN 'captured' THEN amount ELSE 0 END,
    CASE state WHEN 'released' THEN amount ELSE 0 END
)
UNION ALL
SELECT
    'double_charge', job_id,
    format('captured %s times, %s in all, for a hold of %s', captures, captured, amount)
FROM hold_sums WHERE captures > 1 OR captured > amount OR captures + releases > 1
UNION ALL
SELECT 'closed_without_usage', h.job_id, format('%s without a usage event', h.state)
FROM holds h LEFT JOIN usage_events u ON u.job_id = h.job_id
WHERE h.state <> 'open' AND u.id IS NULL
UNION ALL
SELECT
    'usage_contradicts_hold', h.job_id,
    format('usage says %s, %s charged; the hold is %s of %s', u.outcome, u.charged, h.state,
        h.amount)
FROM usage_events u JOIN holds h ON h.job_id = u.job_id
WHERE h.state <> CASE u.outcome WHEN 'succeeded' THEN 'captured' ELSE 'released' END
OR (u.account_id, u.unit, u.amount) <> (h.account_id, h.unit, h.amount)
OR u.charged <> CASE h.state WHEN 'captured' THEN h.amount ELSE 0 END
UNION ALL
SELECT 'usage_without_hold', u.job_id, format('usage %s of %s', u.id, u.account_id)
FROM usage_events u LEFT JOIN holds h ON h.job_id = u.job_id
WHERE h.job_id IS NULL
ORDER BY 1, 2
"""


def check(conn: Connection[object]) -> list[Finding]:
    """Return everything that is wrong with the ledger; an empty list is the good answer.

    Reads every entry: seconds per million of them. Safe while money moves. That a job which
    ended still has an open hold is for `domain.pipeline` to find, with `open_holds`.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_FINDINGS)
        return [_finding(row) for row in cursor]


def ledger_sum(conn: Connection[object]) -> int:
    """Return the sum of all entries of all accounts; anything but 0 is a broken ledger."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT coalesce(sum(amount), 0) FROM ledger_entries")
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def balances_sum(conn: Connection[object]) -> int:
    """Return the sum of all balances: as `ledger_sum`, from one row per ledger account."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT coalesce(sum(balance), 0) FROM ledger_accounts")
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def _finding(row: TupleRow) -> Finding:
    code, subject, detail = row
    return Finding(FindingCode(code), str(subject), str(detail))
