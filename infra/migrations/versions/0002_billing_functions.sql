-- billing: the only ways in which the application's role changes money.
--
-- The granted ones run with their owner's rights and a pinned search_path. Locks are taken in
-- one order: holds by job, then ledger accounts by id.

CREATE TYPE public.ledger_line AS (
    transaction_id bigint,
    kind text,
    account_id text,
    job_id text,
    reverses bigint,
    at timestamptz,
    ledger_account_id bigint,
    amount bigint
);

-- Write whole transactions: with their entries, running balances and account balances. The
-- caller has locked the ledger accounts; if it has not, a version is taken twice and this fails.
CREATE FUNCTION public.ledger_write(lines public.ledger_line []) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
    WITH line AS MATERIALIZED (
        SELECT * FROM unnest(lines)
    ),
    entered AS (
        INSERT INTO public.ledger_transactions (id, kind, account_id, job_id, reverses, at)
        SELECT DISTINCT transaction_id, kind, account_id, job_id, reverses, at FROM line
    ),
    written AS (
        INSERT INTO public.ledger_entries
            (ledger_account_id, version, transaction_id, amount, balance_after)
        SELECT
            l.ledger_account_id,
            a.version + row_number() OVER history,
            l.transaction_id,
            l.amount,
            a.balance + sum(l.amount) OVER history
        FROM line l JOIN public.ledger_accounts a ON a.id = l.ledger_account_id
        WINDOW history AS (
            PARTITION BY l.ledger_account_id ORDER BY l.transaction_id ROWS UNBOUNDED PRECEDING
        )
    )
    UPDATE public.ledger_accounts a
    SET balance = a.balance + d.amount, version = a.version + d.entries
    FROM (
        SELECT ledger_account_id, sum(amount) AS amount, count(*) AS entries
        FROM line GROUP BY ledger_account_id
    ) d
    WHERE a.id = d.ledger_account_id;
$$;

CREATE FUNCTION public.ledger_next_transaction() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nextval('public.ledger_transactions_id_seq')
$$;

-- Open a customer's ledger accounts in a currency. Returns its currency, which stays the first.
CREATE FUNCTION public.billing_open_accounts(customer text, currency text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    kept text;
BEGIN
    IF currency !~ '^[A-Z]{3}$' THEN
        RAISE EXCEPTION '% is not a currency', currency USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO public.ledger_accounts (account_id, name, unit, at_least, at_most)
    VALUES (customer, 'available', currency, 0, NULL)
    ON CONFLICT DO NOTHING;
    SELECT unit INTO STRICT kept
    FROM public.ledger_accounts WHERE account_id = customer AND name = 'available';
    INSERT INTO public.ledger_accounts (account_id, name, unit, at_least, at_most)
    VALUES
        (customer, 'held', kept, 0, NULL),
        (customer, 'funding', kept, NULL, 0),
        (customer, 'revenue', kept, 0, NULL),
        (customer, 'refunds', kept, NULL, 0)
    ON CONFLICT DO NOTHING;
    RETURN kept;
END
$$;

-- Take an idempotency key, waiting for a call under way with the same one. Returns null when
-- the key was free, else the transaction it stands for; another request is refused.
CREATE FUNCTION public.billing_take_key(
    customer text, idempotency_key text, wanted jsonb, transaction bigint, moment timestamptz
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    taken public.billing_idempotency;
BEGIN
    INSERT INTO public.billing_idempotency (account_id, key, request, transaction_id, at)
    VALUES (customer, idempotency_key, wanted, transaction, moment)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO STRICT taken
    FROM public.billing_idempotency WHERE account_id = customer AND key = idempotency_key;
    IF taken.request <> wanted THEN
        RAISE EXCEPTION 'key % of % stands for %, not for %',
            idempotency_key, customer, taken.request, wanted USING ERRCODE = 'PM001';
    END IF;
    RETURN taken.transaction_id;
END
$$;

-- Write one transaction that moves `moved` from one of a customer's ledger accounts to another.
CREATE FUNCTION public.ledger_move(
    transaction bigint, why text, customer text, job text,
    source text, target text, moved bigint, moment timestamptz
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    lines public.ledger_line [];
BEGIN
    IF moved IS NULL OR moved NOT BETWEEN 1 AND 1000000000000000 THEN
        RAISE EXCEPTION 'amount % is out of range', moved USING ERRCODE = 'check_violation';
    END IF;
    PERFORM FROM public.ledger_accounts
    WHERE account_id = customer ORDER BY id FOR NO KEY UPDATE;
    SELECT array_agg(ROW(
        transaction, why, customer, job, NULL, moment, a.id,
        CASE a.name WHEN target THEN moved ELSE -moved END
    )::public.ledger_line)
    INTO lines
    FROM public.ledger_accounts a
    JOIN public.ledger_accounts own
        ON own.account_id = customer AND own.name = 'available' AND own.unit = a.unit
    WHERE a.account_id = customer AND a.name IN (source, target);
    IF lines IS NULL THEN
        RAISE EXCEPTION 'account % has no ledger accounts', customer USING ERRCODE = 'PM002';
    END IF;
    PERFORM public.ledger_write(lines);
END
$$;

CREATE FUNCTION public.billing_top_up(
    customer text, topped_up bigint, idempotency_key text, moment timestamptz
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    transaction bigint := public.ledger_next_transaction();
    known bigint;
BEGIN
    known := public.billing_take_key(
        customer, idempotency_key,
        jsonb_build_object('operation', 'top_up', 'amount', topped_up), transaction, moment
    );
    IF known IS NOT NULL THEN
        RETURN known;
    END IF;
    PERFORM public.ledger_move(
        transaction, 'top_up', customer, NULL, 'funding', 'available', topped_up, moment
    );
    RETURN transaction;
END
$$;

-- Give back part of what a job was charged, never more than that in all.
CREATE FUNCTION public.billing_credit(
    credited_job text, credited bigint, idempotency_key text, moment timestamptz
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    transaction bigint := public.ledger_next_transaction();
    hold public.holds;
    known bigint;
    so_far bigint;
BEGIN
    SELECT * INTO hold FROM public.holds WHERE job_id = credited_job FOR NO KEY UPDATE;
    IF NOT FOUND OR hold.state <> 'captured' THEN
        RAISE EXCEPTION 'job % was not charged', credited_job USING ERRCODE = 'PM003';
    END IF;
    known := public.billing_take_key(
        hold.account_id, idempotency_key,
        jsonb_build_object('operation', 'credit', 'job', credited_job, 'amount', credited),
        transaction, moment
    );
    IF known IS NOT NULL THEN
        RETURN known;
    END IF;
    SELECT coalesce(sum(e.amount), 0) INTO so_far
    FROM public.ledger_transactions t
    JOIN public.ledger_entries e ON e.transaction_id = t.id
    JOIN public.ledger_accounts a ON a.id = e.ledger_account_id AND a.name = 'available'
    WHERE t.account_id = hold.account_id AND t.job_id = credited_job
    AND t.kind IN ('credit', 'reverse');
    IF so_far + credited > hold.amount THEN
        RAISE EXCEPTION 'job % was charged % and credited %; % more is too much',
            credited_job, hold.amount, so_far, credited USING ERRCODE = 'PM003';
    END IF;
    PERFORM public.ledger_move(
        transaction, 'credit', hold.account_id, credited_job,
        'refunds', 'available', credited, moment
    );
    RETURN transaction;
END
$$;

-- Undo a top-up or a credit, once.
CREATE FUNCTION public.billing_reverse(
    undone bigint, idempotency_key text, moment timestamptz
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    transaction bigint := public.ledger_next_transaction();
    original public.ledger_transactions;
    known bigint;
BEGIN
    SELECT * INTO original FROM public.ledger_transactions WHERE id = undone;
    IF NOT FOUND OR original.kind NOT IN ('top_up', 'credit') THEN
        RAISE EXCEPTION 'transaction % is no top-up or credit', undone USING ERRCODE = 'PM004';
    END IF;
    PERFORM FROM public.holds WHERE job_id = original.job_id FOR NO KEY UPDATE;
    known := public.billing_take_key(
        original.account_id, idempotency_key,
        jsonb_build_object('operation', 'reverse', 'transaction', undone), transaction, moment
    );
    IF known IS NOT NULL THEN
        RETURN known;
    END IF;
    PERFORM FROM public.ledger_accounts
    WHERE account_id = original.account_id ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM public.ledger_transactions WHERE reverses = undone) THEN
        RAISE EXCEPTION 'transaction % is already reversed', undone USING ERRCODE = 'PM004';
    END IF;
    PERFORM public.ledger_write(array_agg(ROW(
        transaction, 'reverse', original.account_id, original.job_id, undone, moment,
        e.ledger_account_id, -e.amount
    )::public.ledger_line))
    FROM public.ledger_entries e WHERE e.transaction_id = undone;
    RETURN transaction;
END
$$;
