-- Accounts: logins that end before their tokens do, keys for programs, and what admins did.

-- ── logins ──────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE refresh_families
    ADD COLUMN client text NOT NULL DEFAULT '' CHECK (char_length(client) <= 200), -- its User-Agent
    DROP COLUMN previous;

-- Refresh tokens that were exchanged lately. One that comes again soon is a lost answer or a race;
-- one that stands here no more comes late, and ends its family.
CREATE TABLE spent_refresh_tokens (
    jti      uuid PRIMARY KEY,
    sid      uuid NOT NULL REFERENCES refresh_families ON DELETE CASCADE,
    spent_at timestamptz NOT NULL
);
CREATE INDEX spent_refresh_tokens_sid ON spent_refresh_tokens (sid);
CREATE INDEX refresh_families_expires ON refresh_families (expires_at);
CREATE INDEX users_created ON users (created_at DESC, id DESC);

-- ── keys for programs ───────────────────────────────────────────────────────────────────────────

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32), -- the key itself is not kept
    hint       text NOT NULL,                     -- its last characters, to tell keys apart
    scopes     text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,                       -- null: until it is revoked
    used_at    timestamptz,                       -- to within some minutes
    revoked_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at DESC);

-- ── revocation ──────────────────────────────────────────────────────────────────────────────────

-- What every gateway must refuse though its signature holds and its time has not come. They read
-- on from the transactions that were over when they last looked: numbers alone would not do, as
-- a transaction with a smaller one may commit later.
CREATE TABLE revocations (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id          uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN (
                    'session',   -- sid: every token of one login
                    'token',     -- jti: one token
                    'key',       -- an API key
                    'node',      -- every token of a node
                    'user')),    -- what is remembered of him must be looked up again
    expires_at  timestamptz NOT NULL,             -- no token that it concerns lives longer
    revoked_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revocations_transaction ON revocations (transaction);
CREATE INDEX revocations_expires ON revocations (expires_at);

CREATE FUNCTION tell_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('revocations', '');
    RETURN NULL;
END $$;
CREATE TRIGGER revocations_told AFTER INSERT ON revocations
    FOR EACH STATEMENT EXECUTE FUNCTION tell_revocations();

-- Whoever ends a login, a key or a user, by whatever statement, revokes it in the same transaction.
-- No access token, and nothing that a gateway remembers, is good for more than a day.
CREATE FUNCTION revoke_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocations (id, kind, expires_at) VALUES (OLD.sid, 'session', now() + interval '1 day');
    RETURN NULL;
END $$;
CREATE TRIGGER refresh_families_revoked AFTER UPDATE OF revoked_at ON refresh_families
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION revoke_session();
CREATE TRIGGER refresh_families_gone AFTER DELETE ON refresh_families
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > now())
    EXECUTE FUNCTION revoke_session();

CREATE FUNCTION revoke_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocations (id, kind, expires_at) VALUES (OLD.id, 'key', now() + interval '1 day');
    RETURN NULL;
END $$;
CREATE TRIGGER api_keys_revoked AFTER UPDATE OF revoked_at ON api_keys
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION revoke_key();
CREATE TRIGGER api_keys_gone AFTER DELETE ON api_keys
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL)
    EXECUTE FUNCTION revoke_key();

-- The role stands in the tokens: with another one they are out of date. Families are looked for
-- after the user's row is locked, so that a login at the same moment is seen, or refused.
CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE refresh_families SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
    INSERT INTO revocations (id, kind, expires_at) VALUES (NEW.id, 'user', now() + interval '1 day');
    RETURN NULL;
END $$;
CREATE TRIGGER users_changed AFTER UPDATE OF is_active, role ON users
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active OR OLD.role <> NEW.role)
    EXECUTE FUNCTION end_sessions();

-- ── what admins did ─────────────────────────────────────────────────────────────────────────────

CREATE TABLE audit (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor_id   uuid,                              -- null: at the console of the gateway's machine
    actor      text NOT NULL,                     -- the e-mail of then, or 'console:' and the login
    act        text NOT NULL CHECK (act ~ '^[a-z]+\.[a-z_]+$'), -- 'user.deactivate', …
    target     text NOT NULL,                     -- 'user:{uuid}', …
    reason     text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
    request_id text NOT NULL DEFAULT '',
    details    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_target ON audit (target, number DESC);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        RETURN;
    END IF;
    GRANT SELECT ON spent_refresh_tokens, api_keys, revocations, audit TO rendertrust_app;
    GRANT DELETE ON refresh_families TO rendertrust_app; -- long after they ended
    GRANT INSERT, DELETE ON spent_refresh_tokens, revocations TO rendertrust_app;
    GRANT INSERT, UPDATE ON api_keys TO rendertrust_app;
    GRANT INSERT ON audit TO rendertrust_app;             -- append-only
END $$;
