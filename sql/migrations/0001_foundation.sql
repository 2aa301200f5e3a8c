-- The foundation: people, nodes, jobs, and the books.
-- Amounts are BIGINT units; one credit is 10,000 units. Times are UTC.
-- One writer per table: docs/ownership.md.

-- ── people ──────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    password_hash text NOT NULL,
    role          text NOT NULL DEFAULT 'user'
                  CHECK (role IN ('user', 'operator', 'admin', 'auditor')), -- auditor: read-only admin
    is_active     boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now()
);
-- An address is one account however it is capitalised.
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- One row per login: rotating refresh tokens share a family (sid).
CREATE TABLE refresh_families (
    sid         uuid PRIMARY KEY,
    user_id     uuid NOT NULL REFERENCES users,
    jti         uuid NOT NULL,       -- the one refresh token that is valid now
    previous    uuid,                -- the one before: its reuse tells a theft from a lost answer
    rotated_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_families_user ON refresh_families (user_id);

-- ── nodes ───────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE nodes (
    id            uuid PRIMARY KEY,
    owner_id      uuid REFERENCES users,          -- bound at verify
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    public_key    bytea NOT NULL CHECK (octet_length(public_key) = 32),
    capabilities  text[] NOT NULL,
    metadata      jsonb NOT NULL DEFAULT '{}',
    status        text NOT NULL DEFAULT 'REGISTERED'
                  CHECK (status IN ('REGISTERED',   -- has a token, was never heard of
                                    'HEALTHY',      -- a heartbeat or a session within 90 s
                                    'UNHEALTHY',    -- silent for 90 s
                                    'OFFLINE')),    -- silent for 300 s
    current_load  double precision NOT NULL DEFAULT 0 CHECK (current_load BETWEEN 0 AND 1),
    verified_at   timestamptz,
    seen_at       timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
-- A key is one node once its possession was proved; before that anybody may claim it.
CREATE UNIQUE INDEX nodes_verified_key ON nodes (public_key) WHERE verified_at IS NOT NULL;
CREATE INDEX nodes_owner ON nodes (owner_id);

-- A challenge is answered once, within five minutes.
CREATE TABLE node_challenges (
    challenge   bytea PRIMARY KEY CHECK (octet_length(challenge) = 32),
    node_id     uuid NOT NULL REFERENCES nodes,
    owner_id    uuid REFERENCES users,            -- who will own the node once it is verified
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

-- ── uploads ─────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE uploads (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users,
    sha256       bytea NOT NULL CHECK (octet_length(sha256) = 32),
    size         bigint NOT NULL CHECK (size > 0),
    filename     text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255),
    object_key   text NOT NULL,
    completed_at timestamptz,                     -- null: announced, not seen in the store yet
    created_at   timestamptz NOT NULL DEFAULT now()
);
-- Content that this user has already is not sent again.
CREATE UNIQUE INDEX uploads_user_content ON uploads (user_id, sha256);

-- ── prices ──────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE prices (
    job_type text PRIMARY KEY,                    -- '*' stands for every other type
    units    bigint NOT NULL CHECK (units >= 0)   -- per job
);
INSERT INTO prices VALUES ('render', 100000), ('inference', 50000), ('cpu_benchmark', 10000), ('echo', 0), ('*', 10000);

-- ── jobs and their units of work ────────────────────────────────────────────────────────────────

CREATE TABLE jobs (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users,
    job_type      text NOT NULL CHECK (char_length(job_type) BETWEEN 1 AND 100),
    payload_ref   text NOT NULL CHECK (char_length(payload_ref) BETWEEN 1 AND 500),
    params        jsonb NOT NULL DEFAULT '{}',
    status        text NOT NULL CHECK (status IN (
                      'QUEUED',       -- no unit was ever assigned
                      'DISPATCHED',   -- a unit is assigned, none runs yet
                      'RUNNING',      -- a unit runs or ran, and work is left
                      'COMPLETED',    -- all units complete
                      'FAILED',       -- no unit can progress any more
                      'CANCELLED')),  -- by its owner, before it ran
    node_id       uuid REFERENCES nodes,          -- of the newest assignment
    retry_count   integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0), -- sum of (attempt - 1)
    price         bigint NOT NULL CHECK (price >= 0),
    result_ref    text,
    error_message text,
    created_at    timestamptz NOT NULL,
    queued_at     timestamptz NOT NULL,
    dispatched_at timestamptz,
    completed_at  timestamptz,                    -- when it ended, however it ended
    updated_at    timestamptz NOT NULL,
    CHECK ((status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (completed_at IS NOT NULL))
);
CREATE INDEX jobs_user ON jobs (user_id, created_at DESC, id DESC);
CREATE INDEX jobs_user_status ON jobs (user_id, status, created_at DESC, id DESC);

CREATE TABLE units (
    job_id        uuid NOT NULL REFERENCES jobs,
    number        integer NOT NULL CHECK (number >= 0),
    state         text NOT NULL CHECK (state IN (
                      'QUEUED',       -- waits for a node, not before `not_before`
                      'DISPATCHED',   -- assigned: the frame is on its way, or waits for the node
                      'RUNNING',      -- the node said so, or said how far it is
                      'COMPLETED', 'FAILED', 'CANCELLED')),
    attempt       integer NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- the fence; 0: never assigned
    node_id       uuid REFERENCES nodes,
    assigned_at   timestamptz,
    lease_until   timestamptz,                    -- null until the frame was sent
    not_before    timestamptz,
    failures      integer NOT NULL DEFAULT 0 CHECK (failures >= 0), -- of nodes; three end the unit
    avoid         uuid[] NOT NULL DEFAULT '{}',   -- nodes that failed it are not given it again
    price         bigint NOT NULL CHECK (price >= 0),
    result_key    text,
    result_sha256 bytea CHECK (octet_length(result_sha256) = 32),
    result_size   bigint CHECK (result_size >= 0),
    verified      boolean NOT NULL DEFAULT false,
    error_class   text CHECK (error_class IN ('scene', 'node', 'network', 'gateway', 'verifier')),
    error_message text,
    started_at    timestamptz,
    ended_at      timestamptz,
    PRIMARY KEY (job_id, number),
    CHECK ((state IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)),
    CHECK (state NOT IN ('DISPATCHED', 'RUNNING') OR (node_id IS NOT NULL AND attempt > 0))
);
-- What the Scheduler and the Lifeline look for: the open units, however many have ended.
CREATE INDEX units_open ON units (state, lease_until) WHERE ended_at IS NULL;
CREATE INDEX units_open_node ON units (node_id) WHERE ended_at IS NULL;

-- ── the books ───────────────────────────────────────────────────────────────────────────────────

CREATE TABLE accounts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text NOT NULL UNIQUE,                -- 'user:{uuid}', 'operator:{uuid}', 'revenue', …
    balance  bigint NOT NULL DEFAULT 0,
    held     bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version  bigint NOT NULL DEFAULT 0,
    may_overdraw boolean NOT NULL DEFAULT false,  -- platform accounts only
    CHECK (may_overdraw OR balance - held >= 0)
);

CREATE TABLE transfers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit       bigint NOT NULL REFERENCES accounts,
    credit      bigint NOT NULL REFERENCES accounts,
    subject     bigint NOT NULL REFERENCES accounts, -- the side whose reference it is
    amount      bigint NOT NULL CHECK (amount > 0),
    kind        text NOT NULL CHECK (kind IN ('STRIPE', 'USAGE', 'ADJUSTMENT', 'REFUND', 'EARNING')),
    reference   text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 255),
    description text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    CHECK (debit <> credit),
    CHECK (subject IN (debit, credit)),
    -- Posting twice under one reference moves money once; two accounts may use the same words.
    UNIQUE (subject, kind, reference)
);

CREATE TABLE entries (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
    transfer_id bigint NOT NULL REFERENCES transfers,
    account_id  bigint NOT NULL REFERENCES accounts,
    version     bigint NOT NULL,                  -- 1, 2, 3 … per account, without a hole
    amount      bigint NOT NULL CHECK (amount <> 0), -- signed: a debit is negative
    before      bigint NOT NULL,
    after       bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (account_id, version),
    CHECK (after = before + amount)
);
CREATE INDEX entries_transfer ON entries (transfer_id);

CREATE TABLE holds (
    id          uuid PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES accounts,
    reference   text NOT NULL UNIQUE,             -- 'job:{id}:{unit}'
    amount      bigint NOT NULL CHECK (amount > 0),
    settled     bigint NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                    'OPEN',       -- -> SETTLED or RELEASED, once
                    'SETTLED',    -- charged, wholly or in part; the rest restored
                    'RELEASED')), -- nothing charged
    created_at  timestamptz NOT NULL,
    closed_at   timestamptz,
    CHECK (settled BETWEEN 0 AND amount),
    CHECK ((state = 'OPEN') = (closed_at IS NULL)),
    CHECK (state = 'SETTLED' OR settled = 0)
);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'OPEN';

CREATE TABLE idempotency_keys (
    user_id     uuid NOT NULL REFERENCES users,
    key         text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    request     bytea NOT NULL CHECK (octet_length(request) = 32), -- SHA-256 of what was asked
    answer      jsonb NOT NULL,                   -- what was answered: {status, body}
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- Entries and transfers are written once and for ever.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO accounts (name, may_overdraw) VALUES
    ('purchases', true), ('revenue', true), ('adjustments', true),
    ('payouts', true), ('disputes', true), ('suspense', true);

-- The gateway's role reads everything and writes what it must; it owns nothing. Who sets up the
-- cluster makes it; where it is missing and the owner may not make one, a gateway that logs in as
-- the owner works all the same, behind the triggers alone.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        CREATE ROLE rendertrust_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- made by a neighbour at the same moment
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'no role rendertrust_app, and no right to make it: nothing is granted';
END $$;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA public TO rendertrust_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO rendertrust_app;
    GRANT INSERT, UPDATE ON users, refresh_families, nodes, node_challenges, uploads TO rendertrust_app;
    GRANT INSERT, UPDATE ON jobs, units, accounts, holds TO rendertrust_app;
    GRANT INSERT ON transfers, entries, idempotency_keys TO rendertrust_app; -- append-only
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO rendertrust_app;
END $$;
