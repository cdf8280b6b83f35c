-- The ledger's checks, as they were, with one way of asking changed. EXISTS under an OR may be
-- planned as a table of all that could exist, and was: each batch of holds then read every
-- transaction and every ledger account there is. A subquery that returns a value is looked up
-- for each row. Of an index that gives two rows at most, no bitmap is made either.

-- A transaction has at least two entries when the statement that writes it ends.
CREATE OR REPLACE FUNCTION public.ledger_transactions_are_whole() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET enable_bitmapscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT t.id INTO wrong
    FROM added t
    WHERE (SELECT count(*) FROM public.ledger_entries e WHERE e.transaction_id = t.id) < 2
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % has fewer than two entries', wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Entries come with all of their transaction, sum to zero per unit, and continue their
-- account's history up to the balance the account shows.
CREATE OR REPLACE FUNCTION public.ledger_entries_balance() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET enable_bitmapscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT e.transaction_id INTO wrong
    FROM added e JOIN public.ledger_accounts a ON a.id = e.ledger_account_id
    GROUP BY e.transaction_id, a.unit
    HAVING sum(e.amount) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    SELECT e.transaction_id INTO wrong
    FROM (SELECT transaction_id, count(*) AS entries FROM added GROUP BY transaction_id) e
    WHERE e.entries <> (
        SELECT count(*) FROM public.ledger_entries s WHERE s.transaction_id = e.transaction_id
    ) OR (SELECT t.id FROM public.ledger_transactions t WHERE t.id = e.transaction_id) IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % already has its entries, or is not there', wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    SELECT e.ledger_account_id INTO wrong
    FROM (
        SELECT
            ledger_account_id, version, balance_after, balance_after - amount AS balance_before,
            lag(balance_after) OVER history AS previous_balance,
            lag(version) OVER history AS previous_version,
            lead(version) OVER history AS next_version
        FROM added
        WINDOW history AS (PARTITION BY ledger_account_id ORDER BY version)
    ) e
    WHERE (
        e.previous_version IS NOT NULL
        AND (e.previous_balance, e.previous_version) <> (e.balance_before, e.version - 1)
    ) OR (
        e.previous_version IS NULL
        AND e.balance_before <> CASE e.version WHEN 1 THEN 0 ELSE coalesce((
            SELECT s.balance_after FROM public.ledger_entries s
            WHERE s.ledger_account_id = e.ledger_account_id AND s.version = e.version - 1
        ), e.balance_before - 1) END
    ) OR (
        e.next_version IS NULL
        AND (
            SELECT (a.balance, a.version) = (e.balance_after, e.version)
            FROM public.ledger_accounts a WHERE a.id = e.ledger_account_id
        ) IS NOT TRUE
    )
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries do not continue the history of ledger account %', wrong
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
