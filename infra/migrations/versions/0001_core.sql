-- Accounts, catalogue and jobs. Everything here belongs to the owner of the database;
-- picmend_app, as which every process runs, gets what it needs and no more.

-- accounts ------------------------------------------------------------------------------------

CREATE TABLE accounts (
    id          text PRIMARY KEY CHECK (id ~ '^acc_[a-z0-9]{1,32}$'),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind        text NOT NULL CHECK (kind IN ('individual', 'company')),
    state       text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'closed')),
    unit        text NOT NULL DEFAULT 'CNY' CHECK (unit ~ '^[A-Z]{3}$'),
    created_at  timestamptz NOT NULL
);

-- A credential's id is public; of an API key only the hash of its secret is kept, and an
-- object-store secret is kept by the store alone.
CREATE TABLE credentials (
    id             text PRIMARY KEY,
    account_id     text NOT NULL REFERENCES accounts,
    kind           text NOT NULL CHECK (kind IN ('api_key', 'object_store')),
    secret_sha256  bytea CHECK (length(secret_sha256) = 32),
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    CHECK ((kind = 'api_key') = (secret_sha256 IS NOT NULL))
);
CREATE INDEX credentials_of_account ON credentials (account_id);

CREATE TABLE suspensions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES accounts,
    reason      text NOT NULL,
    by          text NOT NULL,
    at          timestamptz NOT NULL,
    lifted_at   timestamptz,
    lifted_by   text
);
CREATE UNIQUE INDEX one_open_suspension ON suspensions (account_id) WHERE lifted_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON accounts, credentials, suspensions TO picmend_app;

-- catalogue -----------------------------------------------------------------------------------

CREATE TABLE operations (
    name        text PRIMARY KEY,
    max_bytes   bigint NOT NULL CHECK (max_bytes > 0),
    max_pixels  bigint NOT NULL CHECK (max_pixels > 0),
    max_side    integer NOT NULL CHECK (max_side > 0),
    pricing     text NOT NULL CHECK (pricing IN ('megapixel', 'job'))
);

CREATE TABLE presets (
    name        text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND name <> 'api'),
    account_id  text REFERENCES accounts,
    operation   text NOT NULL REFERENCES operations,
    parameters  jsonb NOT NULL DEFAULT '{}',
    UNIQUE NULLS NOT DISTINCT (account_id, name)
);

-- A price holds from its date until the next one of the same operation and unit; none is ever
-- changed. Amounts are minor units: of CNY, 1/10000 yuan.
CREATE TABLE prices (
    operation       text NOT NULL REFERENCES operations,
    unit            text NOT NULL CHECK (unit ~ '^[A-Z]{3}$'),
    amount          bigint NOT NULL CHECK (amount >= 0),
    effective_from  timestamptz NOT NULL,
    announced_at    timestamptz NOT NULL,
    PRIMARY KEY (operation, unit, effective_from),
    CHECK (announced_at <= effective_from)
);

GRANT SELECT ON operations TO picmend_app;
GRANT SELECT, INSERT ON presets, prices TO picmend_app;

INSERT INTO operations (name, max_bytes, max_pixels, max_side, pricing) VALUES
    ('upscale',  33554432, 16777216,  8192, 'megapixel'),
    ('inpaint',  33554432, 16777216,  8192, 'megapixel'),
    ('identity', 67108864, 268435456, 65535, 'job');

INSERT INTO presets (name, account_id, operation, parameters) VALUES
    ('upscale-photo-x4', NULL, 'upscale',  '{"model": "photo", "factor": 4}'),
    ('upscale-anime-x4', NULL, 'upscale',  '{"model": "anime", "factor": 4}'),
    ('upscale-fast-x4',  NULL, 'upscale',  '{"model": "fast", "factor": 4}'),
    ('inpaint',          NULL, 'inpaint',  '{"mask": "file"}'),
    ('inpaint-alpha',    NULL, 'inpaint',  '{"mask": "alpha"}'),
    ('identity',         NULL, 'identity', '{}');

INSERT INTO prices (operation, unit, amount, effective_from, announced_at) VALUES
    ('upscale',  'CNY', 2000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('inpaint',  'CNY', 1000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('identity', 'CNY', 1,    '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');

-- jobs ----------------------------------------------------------------------------------------

-- account_id has no foreign key: an upload under an unknown prefix gets its (rejected) row too.
CREATE TABLE jobs (
    id                 text PRIMARY KEY CHECK (id ~ '^job_[a-z2-7]{32}$'),
    seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    account_id         text NOT NULL,
    origin             text NOT NULL CHECK (origin IN ('object', 'api')),
    environment        text NOT NULL DEFAULT 'live' CHECK (environment IN ('live', 'test')),
    retry_of           text REFERENCES jobs,
    preset             text,
    operation          text,
    parameters         jsonb,
    -- what is restored
    bucket             text NOT NULL,
    source_key         text NOT NULL,
    source_etag        text NOT NULL,
    source_version_id  text,
    source_bytes       bigint NOT NULL CHECK (source_bytes >= 0),
    mask_key           text,
    mask_etag          text,
    mask_version_id    text,
    format             text,
    width              integer CHECK (width > 0),
    height             integer CHECK (height > 0),
    has_alpha          boolean,
    -- where it stands
    state              text NOT NULL CHECK (state IN ('review', 'queued', 'dispatched', 'running',
                           'succeeded', 'rejected', 'failed', 'refused', 'cancelled', 'expired')),
    version            integer NOT NULL DEFAULT 1,
    attempt            integer NOT NULL DEFAULT 0,
    lease_losses       integer NOT NULL DEFAULT 0,
    code               text,
    detail             text NOT NULL DEFAULT '',
    cancel_requested   boolean NOT NULL DEFAULT false,
    worker             text,
    lease_until        timestamptz,
    -- money, fixed at admission
    amount             bigint CHECK (amount >= 0),
    unit               text,
    -- when
    requested_at       timestamptz NOT NULL,
    admitted_at        timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    dispatched_at      timestamptz,
    started_at         timestamptz,
    ended_at           timestamptz,
    -- what came of it
    result_key         text,
    result_etag        text,
    result_bytes       bigint,
    result_media_type  text,
    result_width       integer,
    result_height      integer,
    report             jsonb,
    CHECK (state NOT IN ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'refused')
           OR (amount IS NOT NULL AND unit IS NOT NULL AND operation IS NOT NULL
               AND parameters IS NOT NULL AND width IS NOT NULL)),
    CHECK (state NOT IN ('rejected', 'failed', 'refused') OR code IS NOT NULL),
    CHECK ((state = 'succeeded') = (result_key IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'rejected', 'failed', 'refused', 'cancelled', 'expired'))
           = (ended_at IS NOT NULL)),
    CHECK (state <> 'running' OR lease_until IS NOT NULL)
) WITH (fillfactor = 60);

CREATE INDEX jobs_queued ON jobs (operation, account_id, seq) WHERE state = 'queued';
CREATE INDEX jobs_in_flight ON jobs (operation) WHERE state IN ('dispatched', 'running');
CREATE INDEX jobs_dispatched ON jobs (dispatched_at) WHERE state = 'dispatched';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_expiring ON jobs (expires_at)
    WHERE state IN ('queued', 'review', 'dispatched');
CREATE INDEX jobs_of_account ON jobs (account_id, seq);
CREATE INDEX jobs_by_source ON jobs (account_id, source_key text_pattern_ops);
CREATE INDEX jobs_retried ON jobs (retry_of) WHERE retry_of IS NOT NULL;

CREATE TABLE transitions (
    job_id   text NOT NULL REFERENCES jobs,
    version  integer NOT NULL,
    state    text NOT NULL,
    attempt  integer NOT NULL,
    by       text NOT NULL,
    code     text,
    at       timestamptz NOT NULL,
    PRIMARY KEY (job_id, version)
);

-- Every message caused by a change of the database, written in that change's transaction.
CREATE TABLE outbox (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic  text NOT NULL,
    key    text NOT NULL,
    body   bytea NOT NULL CHECK (length(body) <= 65536),
    at     timestamptz NOT NULL
);

CREATE TABLE idempotency (
    account_id      text NOT NULL,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256  bytea NOT NULL,
    job_id          text NOT NULL REFERENCES jobs,
    at              timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);

GRANT SELECT, INSERT, UPDATE ON jobs TO picmend_app;
GRANT SELECT, INSERT ON transitions, idempotency TO picmend_app;
GRANT SELECT, INSERT, DELETE ON outbox TO picmend_app;
