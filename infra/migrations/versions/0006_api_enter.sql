-- Who comes with this API key, and may they now? Called once for each request, by itself, so that
-- no row stays locked while the request works. It is domain.admission.rates in SQL, where the
-- constants that it is given are explained, and where `tat` and the decision are.
--
-- A live key whose secret's hash is the given one counts against its account: at the plan's rate or
-- the override's, or slowed down. Where the key or the network alone is slowed down, so is the
-- account when it uses that one, with a count of its own. Any other key counts against the network.
-- A request that is refused moves no count.
CREATE FUNCTION api_enter(
    given_key        text,
    given_sha256     bytea,
    given_network    text,
    now_at           timestamptz,
    slowed_by        integer,
    slowest          interval,
    largest_burst    bigint,
    believed         interval,
    unknown_interval interval,
    unknown_burst    bigint
) RETURNS TABLE (
    holder       text,      -- null: there is no such live key
    kept_sha256  bytea,
    pace         interval,  -- null: the rate is not limited
    burst        bigint,
    allowed      boolean,
    tat          timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    plan_name   text;
    per_second  bigint;
    slow        text[];
    who         text;
BEGIN
    SELECT c.account_id, c.secret_sha256, a.plan INTO holder, kept_sha256, plan_name
    FROM credentials c JOIN accounts a ON a.id = c.account_id
    WHERE c.id = given_key AND c.kind = 'api_key' AND c.revoked_at IS NULL;

    IF kept_sha256 IS DISTINCT FROM given_sha256 OR given_sha256 IS NULL THEN
        who := 'unknown ' || given_network;
        pace := unknown_interval;
        burst := unknown_burst;
    ELSE
        SELECT max(l.value) FILTER (WHERE l.quota = 'requests_per_second'),
               max(l.value) FILTER (WHERE l.quota = 'request_burst')
        INTO per_second, burst
        FROM (
            SELECT q.quota, CASE WHEN o.id IS NULL THEN p.value ELSE o.value END AS value
            FROM (VALUES ('requests_per_second'), ('request_burst')) AS q (quota)
            LEFT JOIN plan_limits p
                ON p.plan = plan_name AND p.operation = '*' AND p.quota = q.quota
            LEFT JOIN quota_overrides o
                ON o.account_id = holder AND o.operation = '*' AND o.quota = q.quota
                AND o.starts_at <= now_at AND (o.ends_at IS NULL OR o.ends_at > now_at)
        ) AS l;
        IF per_second IS NULL THEN
            allowed := true;
            RETURN NEXT;
            RETURN;
        END IF;
        burst := least(coalesce(burst, per_second), largest_burst);
        IF per_second = 0 THEN
            pace := interval '1 second';
            burst := 0;
        ELSE
            pace := greatest(ceil(1000000::numeric / per_second), 1) * interval '1 microsecond';
        END IF;
        who := 'account ' || holder;
        SELECT array_agg(DISTINCT r.kind) INTO slow
        FROM restrictions r
        WHERE (r.kind, r.subject) IN
                (('account', holder), ('key', given_key), ('network', given_network))
            AND r.step = 'slow_down' AND r.lifted_at IS NULL
            AND (r.until IS NULL OR r.until > now_at);
        IF slow IS NOT NULL THEN
            pace := greatest(pace, least(pace * slowed_by, slowest));
            burst := greatest(least(burst, 1), burst / slowed_by);
            who := CASE
                WHEN 'account' = ANY(slow) THEN who
                WHEN 'key' = ANY(slow) THEN who || ' key ' || given_key
                ELSE who || ' network ' || given_network
            END;
        END IF;
    END IF;

    INSERT INTO api_rates AS r (subject, tat)
    SELECT who, now_at + pace WHERE burst > 0
    ON CONFLICT ON CONSTRAINT api_rates_pkey DO UPDATE
    SET tat = pace + CASE
        WHEN r.tat > now_at + burst * pace + believed THEN now_at ELSE greatest(r.tat, now_at) END
    WHERE pace + CASE
        WHEN r.tat > now_at + burst * pace + believed THEN now_at ELSE greatest(r.tat, now_at) END
        <= now_at + burst * pace
    RETURNING r.tat INTO tat;
    allowed := FOUND;
    IF NOT allowed THEN
        SELECT r.tat INTO tat FROM api_rates r WHERE r.subject = who;
    END IF;
    RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION api_enter FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_enter TO picmend_app;
