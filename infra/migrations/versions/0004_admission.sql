-- Admission: plans and their limits, what was counted, what is known of misuse, and what the
-- fair queue needs. Times in buckets and windows are event times unless a column says otherwise.

-- catalogue -----------------------------------------------------------------------------------

-- A plan is a name with limits (plan_limits) and a weight: how many turns its accounts get in
-- the queue for one turn of an account of weight 1.
CREATE TABLE plans (
    name    text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    weight  integer NOT NULL CHECK (weight BETWEEN 1 AND 1000)
);
INSERT INTO plans (name, weight) VALUES ('free', 1), ('standard', 4), ('enterprise', 16);
GRANT SELECT, INSERT, UPDATE ON plans TO picmend_app;

-- accounts ------------------------------------------------------------------------------------

ALTER TABLE accounts
    ADD COLUMN plan text NOT NULL DEFAULT 'standard' REFERENCES plans,
    ADD COLUMN time_zone text NOT NULL DEFAULT 'Asia/Shanghai'
        CHECK (length(time_zone) BETWEEN 1 AND 64);

-- jobs ----------------------------------------------------------------------------------------

ALTER TABLE jobs
    -- Within its account's line: higher goes first.
    ADD COLUMN priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    -- The local day on which the job was counted against its account's quotas; none was not.
    ADD COLUMN quota_day date,
    -- The limit that refused it, as a schemas.decisions.LimitReached.
    ADD COLUMN limit_reached jsonb,
    ADD COLUMN source_sha256 bytea CHECK (length(source_sha256) = 32);

-- Worker processes and the slots that they have: told by themselves, every few seconds.
CREATE TABLE workers (
    name     text PRIMARY KEY,
    slots    jsonb NOT NULL,
    seen_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO picmend_app;

-- How fast each operation's line moved, in buckets of ten seconds: jobs that the dispatcher sent
-- while others had to wait behind them, and for how many seconds some had.
CREATE TABLE queue_pace (
    operation  text NOT NULL,
    bucket     timestamptz NOT NULL,
    jobs       integer NOT NULL,
    seconds    double precision NOT NULL,
    PRIMARY KEY (operation, bucket)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON queue_pace TO picmend_app;

-- admission: quotas ---------------------------------------------------------------------------

-- operation '*' is all of them together. A quota without a row does not limit.
CREATE TABLE plan_limits (
    plan       text NOT NULL REFERENCES plans,
    operation  text NOT NULL DEFAULT '*',
    quota      text NOT NULL CHECK (quota IN ('jobs_per_day', 'jobs_per_month',
                   'megapixels_per_day', 'image_pixels', 'image_bytes', 'jobs_in_flight',
                   'jobs_waiting', 'requests_per_second', 'request_burst')),
    value      bigint NOT NULL CHECK (value BETWEEN 0 AND 1000000000000000),
    PRIMARY KEY (plan, operation, quota),
    CHECK (operation = '*' OR quota NOT IN ('requests_per_second', 'request_burst'))
);
INSERT INTO plan_limits (plan, quota, value) VALUES
    ('free', 'jobs_per_day', 50),
    ('free', 'jobs_per_month', 500),
    ('free', 'megapixels_per_day', 200),
    ('free', 'image_pixels', 16000000),
    ('free', 'image_bytes', 10485760),
    ('free', 'jobs_in_flight', 2),
    ('free', 'jobs_waiting', 50),
    ('free', 'requests_per_second', 2),
    ('free', 'request_burst', 20),
    ('standard', 'jobs_per_day', 20000),
    ('standard', 'jobs_per_month', 300000),
    ('standard', 'megapixels_per_day', 100000),
    ('standard', 'jobs_in_flight', 64),
    ('standard', 'jobs_waiting', 20000),
    ('standard', 'requests_per_second', 50),
    ('standard', 'request_burst', 100),
    ('enterprise', 'jobs_per_day', 500000),
    ('enterprise', 'jobs_per_month', 10000000),
    ('enterprise', 'jobs_in_flight', 512),
    ('enterprise', 'jobs_waiting', 200000),
    ('enterprise', 'requests_per_second', 200),
    ('enterprise', 'request_burst', 400);

-- What an account has instead of its plan's limit, for a time; a value of null does not limit.
-- Two that say something else for one moment are refused.
CREATE TABLE quota_overrides (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES accounts,
    operation   text NOT NULL DEFAULT '*',
    quota       text NOT NULL CHECK (quota IN ('jobs_per_day', 'jobs_per_month',
                    'megapixels_per_day', 'image_pixels', 'image_bytes', 'jobs_in_flight',
                    'jobs_waiting', 'requests_per_second', 'request_burst')),
    value       bigint CHECK (value BETWEEN 0 AND 1000000000000000),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz,
    reason      text NOT NULL,
    by          text NOT NULL,
    at          timestamptz NOT NULL,
    -- Who ended it before its time. One that had not begun ends as it starts: never in force.
    ended_by    text,
    CHECK (ends_at > starts_at OR (ends_at = starts_at AND ended_by IS NOT NULL)),
    CHECK (operation = '*' OR quota NOT IN ('requests_per_second', 'request_burst')),
    CONSTRAINT one_override_at_a_time EXCLUDE USING gist (
        numrange(
            hashtextextended(account_id || ' ' || operation || ' ' || quota, 0)::numeric,
            hashtextextended(account_id || ' ' || operation || ' ' || quota, 0)::numeric, '[]'
        ) WITH &&,
        tstzrange(starts_at, ends_at) WITH &&
    )
);
CREATE INDEX quota_overrides_of_account ON quota_overrides (account_id);

-- What an account's jobs came to in a local calendar month: {"23": {"upscale": [jobs, pixels]}}
-- by day of the month. One row, so one lock, for all of its quotas.
CREATE TABLE quota_months (
    account_id  text NOT NULL REFERENCES accounts,
    month       date NOT NULL CHECK (extract(day FROM month) = 1),
    used        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, month)
) WITH (fillfactor = 50);

-- The theoretical arrival time of GCRA, by who is limited: account, key or network. Not logged:
-- after a crash of the server everybody has a full burst.
CREATE UNLOGGED TABLE api_rates (
    subject  text PRIMARY KEY,
    tat      timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON plan_limits, quota_overrides, quota_months TO picmend_app;
GRANT DELETE ON plan_limits TO picmend_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_rates TO picmend_app;

-- admission: facts ----------------------------------------------------------------------------

-- What a subject did in a minute, as each source tells it. A source has rows of its own, so
-- that admission, results and the API do not wait for one another's.
CREATE TABLE facts (
    kind             text NOT NULL CHECK (kind IN ('account', 'key', 'network')),
    subject          text NOT NULL,
    bucket           timestamptz NOT NULL,
    source           text NOT NULL CHECK (source IN ('admission', 'results', 'api')),
    -- admission
    jobs             bigint NOT NULL DEFAULT 0,
    pixels           bigint NOT NULL DEFAULT 0,
    rejected         bigint NOT NULL DEFAULT 0,
    over_limit       bigint NOT NULL DEFAULT 0,
    broken           bigint NOT NULL DEFAULT 0,
    hostile          bigint NOT NULL DEFAULT 0,
    repeated         bigint NOT NULL DEFAULT 0,
    shared           bigint NOT NULL DEFAULT 0,
    -- results
    succeeded        bigint NOT NULL DEFAULT 0,
    failed           bigint NOT NULL DEFAULT 0,
    content_refused  bigint NOT NULL DEFAULT 0,
    -- api
    requests         bigint NOT NULL DEFAULT 0,
    reads            bigint NOT NULL DEFAULT 0,
    limited          bigint NOT NULL DEFAULT 0,
    invalid_keys     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, subject, bucket, source)
) WITH (fillfactor = 60);
CREATE INDEX facts_by_bucket ON facts USING brin (bucket);

-- Which buckets have changed since the rules last looked, and since when. Rows are only added and
-- taken: whoever takes one sees all that its writer wrote.
CREATE TABLE facts_touched (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text NOT NULL,
    subject  text NOT NULL,
    bucket   timestamptz NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- Which key was used from which network, by hour. `country` is empty without an operator's
-- database.
CREATE TABLE sightings (
    key_id      text NOT NULL,
    account_id  text NOT NULL,
    network     text NOT NULL,
    country     text NOT NULL DEFAULT '',
    hour        timestamptz NOT NULL,
    requests    bigint NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (key_id, hour, network)
);
CREATE INDEX sightings_by_network ON sightings (network, hour);
CREATE INDEX sightings_by_hour ON sightings USING brin (hour);

GRANT SELECT, INSERT, UPDATE, DELETE ON facts, sightings TO picmend_app;
GRANT SELECT, INSERT, DELETE ON facts_touched TO picmend_app;

-- admission: rules and findings ---------------------------------------------------------------

-- Parameters of a rule for a plan ('*' for every plan that has none of its own); the highest
-- version counts, and none is ever changed.
CREATE TABLE abuse_rules (
    rule         text NOT NULL,
    plan         text NOT NULL DEFAULT '*',
    version      integer NOT NULL CHECK (version > 0),
    mode         text NOT NULL CHECK (mode IN ('off', 'shadow', 'enforced')),
    severity     text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    parameters   jsonb NOT NULL,
    ladder       jsonb NOT NULL,
    fail_closed  boolean NOT NULL DEFAULT false,
    by           text NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (rule, plan, version)
);

CREATE TABLE abuse_allowed (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule     text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('account', 'key', 'network')),
    subject  text NOT NULL,
    until    timestamptz,
    reason   text NOT NULL,
    by       text NOT NULL,
    at       timestamptz NOT NULL,
    ended_at timestamptz
);

CREATE TABLE abuse_findings (
    id            text PRIMARY KEY,
    rule          text NOT NULL,
    plan          text NOT NULL,
    version       integer NOT NULL,
    mode          text NOT NULL CHECK (mode IN ('shadow', 'enforced')),
    severity      text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    kind          text NOT NULL CHECK (kind IN ('account', 'key', 'network')),
    subject       text NOT NULL,
    account_id    text,
    -- The highest step of the ladder that was taken, counted from 0, its name, and until when it
    -- lasts; null: until a person lifts it.
    level         integer NOT NULL CHECK (level >= 0),
    step          text NOT NULL CHECK (step IN
                      ('flag', 'slow_down', 'review', 'suspend_operation', 'suspend_account')),
    until         timestamptz,
    window_start  timestamptz NOT NULL,
    window_end    timestamptz NOT NULL,
    evidence      jsonb NOT NULL,
    -- Some jobs of the account in that window.
    samples       text[] NOT NULL DEFAULT '{}',
    -- The rule itself failed: how.
    error         text,
    found_at      timestamptz NOT NULL,
    -- The end of the last minute, in event time, in which it went on; and in how many.
    last_at       timestamptz NOT NULL,
    times         integer NOT NULL DEFAULT 1 CHECK (times > 0),
    -- How it stands with people.
    state         text NOT NULL DEFAULT 'open'
                      CHECK (state IN ('open', 'appealed', 'confirmed', 'dismissed', 'over')),
    appeal        text,
    appealed_at   timestamptz,
    resolution    text,
    resolved_at   timestamptz,
    resolved_by   text,
    CHECK ((state IN ('confirmed', 'dismissed')) = (resolved_at IS NOT NULL)),
    CHECK (window_end > window_start)
);
-- One at a time, and beside it one that says that the rule fails.
CREATE UNIQUE INDEX one_finding_at_a_time ON abuse_findings
    (rule, kind, subject, (error IS NOT NULL)) WHERE state IN ('open', 'appealed');
CREATE INDEX abuse_findings_of_subject ON abuse_findings (kind, subject, found_at);
CREATE INDEX abuse_findings_of_account ON abuse_findings (account_id, found_at);
CREATE INDEX abuse_findings_by_time ON abuse_findings (found_at);

-- What a finding, or an operator, does to a subject: only while it is in force. operation null
-- is all of them. An account that is suspended as a whole is so in accounts, too.
CREATE TABLE restrictions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('account', 'key', 'network')),
    subject     text NOT NULL,
    operation   text,
    step        text NOT NULL CHECK (step IN
                    ('slow_down', 'review', 'suspend_operation', 'suspend_account')),
    finding_id  text REFERENCES abuse_findings,
    reason      text NOT NULL,
    by          text NOT NULL,
    since       timestamptz NOT NULL,
    until       timestamptz,
    lifted_at   timestamptz,
    lifted_by   text,
    CHECK (until > since),
    CHECK ((step = 'suspend_operation') = (operation IS NOT NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE INDEX restrictions_in_force ON restrictions (kind, subject) WHERE lifted_at IS NULL;
CREATE INDEX restrictions_of_finding ON restrictions (finding_id);

GRANT SELECT, INSERT ON abuse_rules TO picmend_app;
GRANT SELECT, INSERT, UPDATE ON abuse_allowed, abuse_findings, restrictions TO picmend_app;
