-- billing: holds in batches. Posted by whatever admits jobs, closed by usage events.

-- What of `free` is spent after one more amount; an amount that does not fit spends nothing.
CREATE FUNCTION public.ledger_spend(spent bigint, free bigint, amount bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE WHEN amount <= free - spent THEN spent + amount ELSE spent END;
END
$$;

CREATE AGGREGATE public.ledger_spent(bigint, bigint) (
    SFUNC = public.ledger_spend, STYPE = bigint, INITCOND = '0'
);

CREATE TYPE public.billing_decision AS (
    job_id text,
    account_id text,
    unit text,
    amount bigint,
    price_id text,
    admitted_at timestamptz,
    available_id bigint,
    held_id bigint,
    free bigint,
    outcome text,
    transaction_id bigint
);

-- Hold money for jobs, in the order given within each account: a job that does not fit holds
-- nothing, a cheaper one behind it may still fit. Outcomes: held, insufficient, conflict (the
-- job already has another hold). A job that already has this hold is held; nothing is posted.
CREATE FUNCTION public.billing_post_holds(requested jsonb)
RETURNS TABLE (job_id text, outcome text, free bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    decisions public.billing_decision [];
BEGIN
    PERFORM FROM public.ledger_accounts a
    WHERE a.account_id = ANY(ARRAY(
        SELECT DISTINCT r ->> 'account_id' FROM jsonb_array_elements(requested) r
    ))
    AND a.name IN ('available', 'held')
    ORDER BY a.id FOR NO KEY UPDATE;

    WITH asked AS (
        SELECT * FROM ROWS FROM (jsonb_to_recordset(requested) AS (
            job_id text, account_id text, unit text, amount bigint, price_id text,
            admitted_at timestamptz
        )) WITH ORDINALITY
    ),
    weighed AS (
        SELECT
            r.*, a.id AS available_id, p.id AS held_id, coalesce(a.balance, 0) AS balance,
            h.job_id IS NOT NULL AS known,
            (h.account_id, h.unit, h.amount) = (r.account_id, r.unit, r.amount) AS same,
            public.ledger_spent(
                coalesce(a.balance, 0), CASE WHEN h.job_id IS NULL THEN r.amount ELSE 0 END
            ) OVER (PARTITION BY r.account_id, r.unit ORDER BY r.ordinality) AS spent
        FROM asked r
        LEFT JOIN public.ledger_accounts a
            ON a.account_id = r.account_id AND a.name = 'available' AND a.unit = r.unit
        LEFT JOIN public.ledger_accounts p
            ON p.account_id = r.account_id AND p.name = 'held' AND p.unit = r.unit
        LEFT JOIN public.holds h ON h.job_id = r.job_id
    ),
    judged AS (
        SELECT
            w.*,
            CASE
                WHEN w.known THEN CASE WHEN w.same THEN 'held' ELSE 'conflict' END
                WHEN w.amount = 0 OR w.spent > lag(w.spent, 1, 0::bigint) OVER (
                    PARTITION BY w.account_id, w.unit ORDER BY w.ordinality
                ) THEN 'posted'
                ELSE 'insufficient'
            END AS outcome
        FROM weighed w
    )
    SELECT array_agg(ROW(
        j.job_id, j.account_id, j.unit, j.amount, j.price_id, j.admitted_at,
        j.available_id, j.held_id, j.balance - j.spent, j.outcome,
        CASE
            WHEN j.outcome = 'posted' AND j.amount > 0 THEN public.ledger_next_transaction()
        END
    )::public.billing_decision ORDER BY j.ordinality)
    INTO decisions
    FROM judged j;

    PERFORM public.ledger_write(array_agg(ROW(
        d.transaction_id, 'hold', d.account_id, d.job_id, NULL, d.admitted_at,
        side.ledger_account_id, side.amount
    )::public.ledger_line))
    FROM unnest(decisions) d
    CROSS JOIN LATERAL (
        VALUES (d.available_id, -d.amount), (d.held_id, d.amount)
    ) AS side (ledger_account_id, amount)
    WHERE d.transaction_id IS NOT NULL
    HAVING count(*) > 0;

    INSERT INTO public.holds
        (job_id, account_id, unit, amount, price_id, transaction_id, admitted_at)
    SELECT d.job_id, d.account_id, d.unit, d.amount, d.price_id, d.transaction_id, d.admitted_at
    FROM unnest(decisions) d
    WHERE d.outcome = 'posted'
    ORDER BY d.job_id
    ON CONFLICT DO NOTHING;

    RETURN QUERY
    SELECT d.job_id, CASE d.outcome WHEN 'posted' THEN 'held' ELSE d.outcome END, d.free
    FROM unnest(decisions) d;
END
$$;

CREATE TYPE public.billing_verdict AS (
    ordinality bigint,
    job_id text,
    verdict text,
    held_amount bigint,
    recorded_outcome text,
    transaction_id bigint
);

-- Record usage events and close their holds: captured whole when the job succeeded, else
-- released. Verdicts: captured, released; repeated (this end is on record already); and, with
-- nothing changed, contradicted (another end is on record), mismatched (account, unit or
-- amount are not the hold's), no_hold.
CREATE FUNCTION public.billing_record_usage(reported jsonb, moment timestamptz)
RETURNS TABLE (ordinality bigint, verdict text, held_amount bigint, recorded_outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    locked jsonb;
    verdicts public.billing_verdict [];
BEGIN
    -- A hold that appears after this is not locked, and so is not there for this call.
    SELECT coalesce(jsonb_object_agg(mine.job_id, mine.state), '{}') INTO locked
    FROM (
        SELECT h.job_id, h.state FROM public.holds h
        WHERE h.job_id = ANY(ARRAY(
            SELECT r ->> 'job_id' FROM jsonb_array_elements(reported) r
        ))
        ORDER BY h.job_id FOR NO KEY UPDATE
    ) mine;

    WITH told AS (
        SELECT * FROM ROWS FROM (jsonb_to_recordset(reported) AS (
            job_id text, account_id text, unit text, amount bigint, outcome text
        )) WITH ORDINALITY
    ),
    matched AS (
        SELECT
            r.*, h.amount AS held_amount, h.state, u.outcome AS recorded,
            h.job_id IS NOT NULL AS known,
            (h.account_id, h.unit, h.amount) = (r.account_id, r.unit, r.amount) AS same
        FROM told r
        LEFT JOIN public.holds h ON h.job_id = r.job_id AND jsonb_exists(locked, r.job_id)
        LEFT JOIN public.usage_events u ON u.id = r.job_id || '.usage'
    ),
    ranked AS (
        SELECT
            m.*,
            row_number() OVER first_of_job AS place,
            coalesce(m.recorded, first_value(m.outcome) OVER first_of_job) AS standing
        FROM matched m
        WINDOW first_of_job AS (PARTITION BY m.job_id, m.same ORDER BY m.ordinality)
    ),
    judged AS (
        SELECT
            k.*,
            CASE
                WHEN NOT k.known THEN 'no_hold'
                WHEN k.same IS NOT TRUE THEN 'mismatched'
                WHEN k.outcome <> k.standing THEN 'contradicted'
                WHEN k.state <> 'open' OR k.place > 1 THEN 'repeated'
                WHEN k.outcome = 'succeeded' THEN 'captured'
                ELSE 'released'
            END AS verdict
        FROM ranked k
    )
    SELECT array_agg(ROW(
        j.ordinality, j.job_id, j.verdict, j.held_amount,
        CASE WHEN j.known THEN j.standing END,
        CASE
            WHEN j.verdict IN ('captured', 'released') AND j.held_amount > 0
                THEN public.ledger_next_transaction()
        END
    )::public.billing_verdict ORDER BY j.ordinality)
    INTO verdicts
    FROM judged j;

    INSERT INTO public.usage_events (
        id, job_id, account_id, operation, preset, outcome, code, unit, amount, charged,
        environment, input_bytes, input_pixels, output_bytes, output_pixels, duration_ms,
        admitted_at, ended_at
    )
    SELECT
        r.job_id || '.usage', r.job_id, h.account_id, r.operation, r.preset, r.outcome, r.code,
        h.unit, h.amount, CASE v.verdict WHEN 'captured' THEN h.amount ELSE 0 END,
        r.environment, r.input_bytes, r.input_pixels, r.output_bytes, r.output_pixels,
        r.duration_ms, h.admitted_at, r.ended_at
    FROM unnest(verdicts) v
    CROSS JOIN LATERAL jsonb_to_record(reported -> (v.ordinality - 1)::integer) AS r (
        job_id text, operation text, preset text, outcome text, code text, environment text,
        input_bytes bigint, input_pixels bigint, output_bytes bigint, output_pixels bigint,
        duration_ms bigint, ended_at timestamptz
    )
    JOIN public.holds h ON h.job_id = v.job_id
    WHERE v.verdict IN ('captured', 'released');

    UPDATE public.holds h SET state = v.verdict, closed_at = moment
    FROM unnest(verdicts) v
    WHERE h.job_id = v.job_id AND v.verdict IN ('captured', 'released');

    PERFORM FROM public.ledger_accounts a
    WHERE a.account_id = ANY(ARRAY(
        SELECT DISTINCT h.account_id
        FROM unnest(verdicts) v JOIN public.holds h ON h.job_id = v.job_id
        WHERE v.transaction_id IS NOT NULL
    )) AND a.name NOT IN ('funding', 'refunds')
    ORDER BY a.id FOR NO KEY UPDATE;

    PERFORM public.ledger_write(array_agg(ROW(
        v.transaction_id, CASE v.verdict WHEN 'captured' THEN 'capture' ELSE 'release' END,
        h.account_id, h.job_id, NULL, h.admitted_at, side.ledger_account_id, side.amount
    )::public.ledger_line))
    FROM unnest(verdicts) v
    JOIN public.holds h ON h.job_id = v.job_id
    JOIN public.ledger_entries e ON e.transaction_id = h.transaction_id
    JOIN public.ledger_accounts a ON a.id = e.ledger_account_id
    LEFT JOIN public.ledger_accounts earned
        ON v.verdict = 'captured' AND earned.account_id = a.account_id
        AND earned.name = 'revenue' AND earned.unit = a.unit
    CROSS JOIN LATERAL (
        SELECT e.ledger_account_id, -e.amount AS amount
        WHERE v.verdict = 'released' OR a.name = 'held'
        UNION ALL
        SELECT earned.id, e.amount
        WHERE v.verdict = 'captured' AND a.name = 'held'
    ) side
    WHERE v.transaction_id IS NOT NULL
    HAVING count(*) > 0;

    RETURN QUERY
    SELECT v.ordinality, v.verdict, v.held_amount, v.recorded_outcome FROM unnest(verdicts) v;
END
$$;
