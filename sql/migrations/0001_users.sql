-- Users: people's accounts, invitations, logins, second factors, API keys, revocations, organisations, and the audit log of admins'
-- acts.
--
-- The files of this folder create the schema of an empty database, one file per subject. Times are UTC. Amounts are
-- BIGINT units of money; one credit is 10,000 units. docs/ownership.md says who may write each table.

-- The gateway's role. It owns nothing; each file ends with its grants. The cluster's setup creates it. If the role is
-- missing and the owner may not create roles, nothing is granted; a gateway that logs in as the owner still works.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        CREATE ROLE rendertrust_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another database of the cluster has just created it
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'no role rendertrust_app, and no right to make it: nothing is granted';
END $$;

-- Trigger function of append-only tables.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    password_hash text NOT NULL,
    has_password  boolean NOT NULL DEFAULT true,  -- false: nobody knows a password, as the user signs in at a provider
    role          text NOT NULL DEFAULT 'user'
                  CHECK (role IN ('user', 'operator', 'admin', 'auditor')), -- auditor: an admin who only reads
    is_active     boolean NOT NULL DEFAULT true,
    verified_at   timestamptz,                    -- when the user proved that they read mail to the address
    -- the kinds of mail that the user switched off; mails about the account's security are always sent
    mails_off     text[] NOT NULL DEFAULT '{}' CONSTRAINT users_mails_off CHECK (mails_off <@ ARRAY[
                      'job.completed', 'job.failed', 'job.paused', 'node.offline', 'node.failing', 'dispute.opened',
                      'dispute.decided', 'payout.paid', 'payout.rejected']),
    invoice_to    text NOT NULL DEFAULT '' CHECK (char_length(invoice_to) <= 500), -- the buyer on invoices; '': name and address of mail
    created_at    timestamptz NOT NULL DEFAULT now(),
    deleted_at    timestamptz,                    -- when the user deleted their account; what tells who they were is erased
    CONSTRAINT users_deleted CHECK (deleted_at IS NULL OR NOT is_active)
);
CREATE UNIQUE INDEX users_email ON users (lower(email)); -- one account per address, in any capitalisation
CREATE INDEX users_created ON users (created_at DESC, id DESC);

-- ── invitations ─────────────────────────────────────────────────────────────────────────────────

-- One-time invitations to open an account.
CREATE TABLE invitations (
    id         uuid PRIMARY KEY,
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32), -- the token itself is not stored
    email      text CHECK (char_length(email) BETWEEN 3 AND 320), -- null: anybody who has the token may use it
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,                     -- as in the audit log
    made_by    uuid REFERENCES users,             -- its admin; null: a command on the gateway's machine
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at    timestamptz,
    used_by    uuid REFERENCES users,             -- the account that was opened
    revoked_at timestamptz,
    CHECK ((used_at IS NULL) = (used_by IS NULL)),
    CHECK (used_at IS NULL OR revoked_at IS NULL)
);
CREATE INDEX invitations_open ON invitations (created_at DESC, id DESC)
    WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_maker ON invitations (made_by) WHERE used_at IS NULL AND revoked_at IS NULL;

-- ── logins ──────────────────────────────────────────────────────────────────────────────────────

-- One row per login. Its refresh tokens rotate and share the family.
CREATE TABLE refresh_families (
    sid        uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    jti        uuid NOT NULL,                     -- the currently valid refresh token
    client     text NOT NULL DEFAULT '' CHECK (char_length(client) <= 200), -- User-Agent
    rotated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    factor_at  timestamptz,                       -- when the user last gave a second factor in this session
    identity_at timestamptz,                      -- when the user last signed in at a provider in this session
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_families_user ON refresh_families (user_id);
CREATE INDEX refresh_families_expires ON refresh_families (expires_at); -- for the purge

-- Refresh tokens that were exchanged recently. A listed token that is presented again is a retry or a race. An older
-- one, no longer listed, may have been stolen: it ends its family.
CREATE TABLE spent_refresh_tokens (
    jti      uuid PRIMARY KEY,
    sid      uuid NOT NULL REFERENCES refresh_families ON DELETE CASCADE,
    spent_at timestamptz NOT NULL
);
CREATE INDEX spent_refresh_tokens_sid ON spent_refresh_tokens (sid);

-- ── second factors ──────────────────────────────────────────────────────────────────────────────

-- Authenticator apps (TOTP), at most one per user.
CREATE TABLE authenticators (
    user_id       uuid PRIMARY KEY REFERENCES users,
    sealed        bytea NOT NULL,                 -- the secret, encrypted with a key derived from the log's key
    last_step     bigint NOT NULL DEFAULT 0,      -- the step of 30 seconds of the newest used code
    failures      integer NOT NULL DEFAULT 0 CHECK (failures >= 0), -- wrong codes since failing_since or the last right one
    failing_since timestamptz NOT NULL,
    confirmed_at  timestamptz NOT NULL            -- when a code showed that the app has the secret
);

-- Secrets of authenticator apps that no code has confirmed yet. Only the session, or the sign-in, in which a secret was
-- made shows and confirms it.
CREATE TABLE app_setups (
    holder     bytea PRIMARY KEY CHECK (octet_length(holder) = 32), -- hash of the session and set-up, or of the sign-in that waits
    user_id    uuid NOT NULL REFERENCES users,
    sealed     bytea NOT NULL,                    -- as in authenticators
    expires_at timestamptz NOT NULL
);
CREATE INDEX app_setups_expires ON app_setups (expires_at); -- for the purge

-- Passkeys (WebAuthn credentials).
CREATE TABLE passkeys (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    credential bytea NOT NULL UNIQUE CHECK (octet_length(credential) BETWEEN 1 AND 1023), -- the authenticator's id for it
    public_key bytea NOT NULL,                    -- COSE
    rp_id      text NOT NULL,                     -- the host name for which it was made
    counter    bigint NOT NULL CHECK (counter >= 0), -- of signatures; 0 if the authenticator does not count
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at);

-- Challenges that passkeys sign, at most one per purpose and holder; the first answer deletes it, right or wrong.
CREATE TABLE passkey_challenges (
    holder     bytea NOT NULL CHECK (octet_length(holder) = 32), -- hash of the session, or of the sign-in that waits
    purpose    text NOT NULL CHECK (purpose IN (
                   'add',       -- register a passkey
                   'give')),    -- use one as second factor
    user_id    uuid NOT NULL REFERENCES users,
    challenge  bytea NOT NULL CHECK (octet_length(challenge) = 32),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (holder, purpose)
);
CREATE INDEX passkey_challenges_expires ON passkey_challenges (expires_at); -- for the purge

-- Codes for users without their app or passkey; a used one is deleted.
CREATE TABLE recovery_codes (
    user_id    uuid NOT NULL REFERENCES users,
    sha256     bytea NOT NULL CHECK (octet_length(sha256) = 32), -- the code itself is not stored
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, sha256)
);

-- Sign-ins with the right password that wait for the second factor. They open nothing.
CREATE TABLE pending_sign_ins (
    sha256          bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- the token itself is not stored
    user_id         uuid NOT NULL REFERENCES users,
    password_sha256 bytea NOT NULL,               -- of the password's hash: another password ends the sign-in
    role            text NOT NULL,
    by_identity     boolean NOT NULL DEFAULT false, -- the user signed in at a provider just now, not with the password
    provider        text NOT NULL DEFAULT '',     -- the id of the provider that gives the user another role; '': none does
    given_role      text NOT NULL DEFAULT '',     -- that role, from the end of the sign-in on
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    CHECK ((provider = '') = (given_role = ''))
);
CREATE INDEX pending_sign_ins_expires ON pending_sign_ins (expires_at); -- for the purge

-- ── providers of OpenID Connect ─────────────────────────────────────────────────────────────────

-- Identities of users at providers of OpenID Connect. A provider's subject is the key, never an address.
CREATE TABLE identities (
    issuer     text NOT NULL CHECK (char_length(issuer) BETWEEN 1 AND 500),
    subject    text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
    id         uuid NOT NULL UNIQUE,              -- names the identity in forms
    user_id    uuid NOT NULL REFERENCES users,
    email      text NOT NULL DEFAULT '' CHECK (char_length(email) <= 320), -- as the provider last told it, to recognise the identity
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id, created_at);

-- Sign-ins that wait for a provider; its first answer deletes them. State, nonce and PKCE verifier derive from the token
-- in the browser's cookie, so the row has no secret.
CREATE TABLE provider_sign_ins (
    sha256            bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- the token itself is not stored
    issuer            text NOT NULL,              -- of the provider that was asked
    purpose           text NOT NULL CHECK (purpose IN (
                          'sign-in',
                          'link',                 -- link an identity to the account of a session
                          'confirm')),            -- sign in again, before an action that needs it
    redirect_uri      text NOT NULL,
    next              text NOT NULL,              -- the page after it
    user_id           uuid REFERENCES users,
    session           uuid,
    invitation_sha256 bytea CHECK (octet_length(invitation_sha256) = 32), -- with which an account may be opened
    expires_at        timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    CHECK (num_nonnulls(user_id, session) = CASE purpose WHEN 'sign-in' THEN 0 ELSE 2 END)
);
CREATE INDEX provider_sign_ins_expires ON provider_sign_ins (expires_at); -- for the purge

-- ── logins by a code ────────────────────────────────────────────────────────────────────────────

-- Logins of programs that wait until their user confirms a code in a browser (RFC 8628).
CREATE TABLE device_logins (
    sha256           bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- of the program's code, which is not stored
    user_code_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(user_code_sha256) = 32), -- of the code that the user types
    client           text NOT NULL CHECK (char_length(client) <= 200), -- User-Agent
    address          text NOT NULL,               -- from which the program asked
    user_id          uuid REFERENCES users,       -- who confirmed it
    password_sha256  bytea,                       -- of their password's hash at that time: another one ends the login
    role             text,
    factor_at        timestamptz,                 -- when they last gave a second factor in the session in which they confirmed it
    denied_at        timestamptz,
    seconds          integer NOT NULL DEFAULT 5 CHECK (seconds > 0), -- minimum time between two polls
    polled_at        timestamptz,
    expires_at       timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    CHECK (num_nonnulls(user_id, password_sha256, role) IN (0, 3)),
    CHECK (factor_at IS NULL OR user_id IS NOT NULL),
    CHECK (user_id IS NULL OR denied_at IS NULL)
);
CREATE INDEX device_logins_expires ON device_logins (expires_at); -- for the purge

-- ── API keys ────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32), -- the key itself is not stored
    hint       text NOT NULL,                     -- the key's last characters, to tell keys apart
    scopes     text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,                       -- null: valid until it is revoked
    used_at    timestamptz,                       -- accurate to a few minutes
    revoked_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at DESC);

-- ── mail and forgotten passwords ────────────────────────────────────────────────────────────────

-- Mails to send, written with what they tell. A row has no text: the Mailer writes it when it sends the mail, so that
-- no link with a token is ever stored.
CREATE TABLE mails (
    id         uuid PRIMARY KEY,                  -- also in the Message-ID, which is the same for every try
    kind       text NOT NULL CHECK (kind IN (
                   'password.reset',    -- a link with which the user chooses a new password
                   'account.created',   -- by an admin, with a link with which the user chooses a password
                   'password.changed',
                   'password.set',      -- by an admin
                   'factor.added', 'factor.removed',
                   'recovery_code.used',
                   'payout_account.changed',
                   'identity.linked', 'identity.unlinked', -- at a provider of OpenID Connect
                   'address.verify',    -- a link with which the user verifies their address
                   'job.completed', 'job.failed',
                   'job.paused',        -- at its cap
                   'node.offline',
                   'node.failing',      -- often, by its own fault
                   'dispute.opened',    -- about work of the user's node
                   'dispute.decided',
                   'payout.paid', 'payout.rejected')),
    user_id    uuid REFERENCES users,             -- null: the Mailer looks for the user of the address
    address    text CHECK (char_length(address) BETWEEN 3 AND 320), -- as somebody typed it, who may be anybody
    about      uuid,                              -- the job, node, dispute or payout; null: it is about the account
    is_wanted  boolean NOT NULL DEFAULT false,    -- its job asks for it: sent although the user switched its kind off
    is_last    boolean NOT NULL DEFAULT false,    -- further mails of this kind are left out for an hour, and it says so
    state      text NOT NULL DEFAULT 'PENDING' CHECK (state IN (
                   'PENDING',
                   'SENT',              -- the mail server has accepted it
                   'FAILED')),          -- the mail server refused it, or too many tries failed
    tries      integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    due_at     timestamptz NOT NULL,              -- while a Mailer sends it: when another one may
    tried_at   timestamptz,
    error      text CHECK (char_length(error) <= 300), -- of the last try
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    CHECK (num_nonnulls(user_id, address) = 1),
    CHECK ((state = 'PENDING') = (ended_at IS NULL))
);
CREATE INDEX mails_due ON mails (due_at) WHERE state = 'PENDING';
CREATE INDEX mails_asked ON mails (created_at) WHERE address IS NOT NULL;
CREATE INDEX mails_user ON mails (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX mails_ended ON mails (ended_at) WHERE ended_at IS NOT NULL; -- for the purge

-- When a Mailer last ran. Without one, nothing is written to `mails` that triggers tell.
CREATE TABLE mailer_life (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    seen_at timestamptz NOT NULL
);

-- Write mails in the transaction of what they tell: kinds, users, and what each is about. Users who have not verified
-- their address get none but those about its security, so that nobody can have mails sent to a stranger. A user gets
-- ten mails of a kind in an hour, of which the last one says so, and one about the same thing. `wanted`: the mails that
-- are sent although the user switched their kind off.
CREATE FUNCTION insert_notices(kinds text[], user_ids uuid[], abouts uuid[], wanted boolean[] DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hour_ago CONSTANT timestamptz := now() - interval '1 hour';
BEGIN
    IF NOT EXISTS (SELECT FROM mailer_life WHERE seen_at > now() - interval '1 day')
       OR (SELECT count(*) FROM (SELECT FROM mails WHERE state = 'PENDING' LIMIT 10000) waiting) >= 10000 THEN
        RETURN;
    END IF;
    INSERT INTO mails (id, kind, user_id, about, is_wanted, is_last, due_at, created_at)
    SELECT gen_random_uuid(), f.kind, f.user_id, f.about, f.is_wanted, f.before + f.place = 10, now(), now()
    FROM (SELECT n.kind, n.user_id, n.about, coalesce(n.is_wanted, false) AS is_wanted,
                 row_number() OVER (PARTITION BY n.user_id, n.kind ORDER BY n.about) AS place,
                 (SELECT count(*) FROM mails m
                  WHERE m.user_id = n.user_id AND m.kind = n.kind AND m.created_at > hour_ago) AS before
          FROM unnest(kinds, user_ids, abouts, wanted) AS n (kind, user_id, about, is_wanted) JOIN users u ON u.id = n.user_id
          WHERE u.is_active AND (u.verified_at IS NOT NULL OR n.kind = 'password.set')
            AND (n.is_wanted OR n.kind <> ALL (u.mails_off))
            AND NOT EXISTS (SELECT FROM mails m
                            WHERE m.user_id = n.user_id AND m.kind = n.kind AND m.about = n.about
                              AND m.created_at > hour_ago)) f
    WHERE f.before + f.place <= 10;
END $$;

-- Tokens with which a user may choose a new password; the first use deletes all tokens of the user.
CREATE TABLE password_resets (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- the token itself is not stored
    user_id    uuid NOT NULL REFERENCES users,
    mailed     boolean NOT NULL,                  -- false: an admin made it, so it proves no address
    made_by    uuid REFERENCES users,             -- its admin; null: mailed, or made on the gateway's machine
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX password_resets_user ON password_resets (user_id);
CREATE INDEX password_resets_maker ON password_resets (made_by) WHERE made_by IS NOT NULL;
CREATE INDEX password_resets_expires ON password_resets (expires_at); -- for the purge

-- Tokens of links in mails; the first use deletes all tokens of the user for the same purpose.
CREATE TABLE mailed_tokens (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- the token itself is not stored
    user_id    uuid NOT NULL REFERENCES users,
    purpose    text NOT NULL CHECK (purpose IN (
                   'verification',  -- of the user's address
                   'payout_stop')), -- stops the change of the user's payout account that waits
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX mailed_tokens_user ON mailed_tokens (user_id, purpose);
CREATE INDEX mailed_tokens_expires ON mailed_tokens (expires_at); -- for the purge

-- Addresses of deleted accounts, so that they get starter credits and links only as often as others if somebody
-- registers with them again.
CREATE TABLE deleted_addresses (
    sha256      bytea PRIMARY KEY CHECK (octet_length(sha256) = 32), -- of the address in lower case, which is not stored
    had_starter boolean NOT NULL,                 -- an account with the address got starter credits; such a row is kept
    mailed_at   timestamptz[] NOT NULL,           -- when verification links were sent to it, in the hour before the deletion
    deleted_at  timestamptz NOT NULL
);

-- ── revocations ─────────────────────────────────────────────────────────────────────────────────

-- Tokens, keys, nodes and users that every gateway must refuse although their signature is valid and has not expired.
-- Gateways read on from the oldest transaction that was running at their last read. They cannot read on from a
-- number, as smaller ones may commit later.
CREATE TABLE revocations (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id          uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN (
                    'session',   -- id is a sid: every token of a login
                    'token',     -- id is a jti: one token
                    'key',       -- an API key
                    'node',      -- every token of a node
                    'user')),    -- gateways must read their cached facts about the user again
    expires_at  timestamptz NOT NULL,             -- every token that it concerns has expired by then
    revoked_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revocations_transaction ON revocations (transaction);
CREATE INDEX revocations_expires ON revocations (expires_at); -- for the purge

CREATE FUNCTION tell_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('revocations', '');
    RETURN NULL;
END $$;
CREATE TRIGGER revocations_told AFTER INSERT ON revocations
    FOR EACH STATEMENT EXECUTE FUNCTION tell_revocations();

-- Ending a login, a key or a user revokes it in the same transaction, whichever statement ends it. A revocation
-- expires after a day: no access token and no cached fact is valid for longer.
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

-- Tokens carry the user's role, so a change of role makes them invalid. Logins are read after the user's row is
-- locked, so that a login at the same moment is either seen here or refused.
CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE refresh_families SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
    DELETE FROM device_logins WHERE user_id = NEW.id;
    DELETE FROM join_codes WHERE owner_id = NEW.id AND used_at IS NULL;
    INSERT INTO revocations (id, kind, expires_at) VALUES (NEW.id, 'user', now() + interval '1 day');
    RETURN NULL;
END $$;
CREATE TRIGGER users_changed AFTER UPDATE OF is_active, role ON users
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active OR OLD.role <> NEW.role)
    EXECUTE FUNCTION end_sessions();

-- The links and invitations that an admin handed out end with their rights.
CREATE FUNCTION end_links_of_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM password_resets WHERE made_by = NEW.id;
    UPDATE invitations SET revoked_at = now() WHERE made_by = NEW.id AND used_at IS NULL AND revoked_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER users_no_longer_admin AFTER UPDATE OF is_active, role ON users
    FOR EACH ROW WHEN (OLD.is_active AND OLD.role = 'admin' AND NOT (NEW.is_active AND NEW.role = 'admin'))
    EXECUTE FUNCTION end_links_of_admin();

-- ── organisations and trust ─────────────────────────────────────────────────────────────────────

CREATE TABLE organisations (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL
);

CREATE TABLE organisation_members (
    organisation_id uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES users,
    role            text NOT NULL CHECK (role IN (
                        'owner',      -- invites and removes members, appoints owners, deletes the organisation
                        'member')),
    invited_by      uuid REFERENCES users,        -- null: the founder was not invited
    invited_at      timestamptz NOT NULL,
    joined_at       timestamptz,                  -- null: invited, not a member yet
    PRIMARY KEY (organisation_id, user_id)
);
CREATE INDEX organisation_members_of_user ON organisation_members (user_id);

-- Users whom a user trusts: creators trust operators with their scenes; scenes of creators whom an operator trusts may
-- run without a sandbox.
CREATE TABLE trusts (
    user_id    uuid NOT NULL REFERENCES users,
    trusted_id uuid NOT NULL REFERENCES users,
    since      timestamptz NOT NULL,
    PRIMARY KEY (user_id, trusted_id),
    CHECK (user_id <> trusted_id)
);

-- Addresses without an account that a user trusts or has invited. Lists show them like others, so that they do not
-- reveal who has an account. They have no effect, even if somebody opens such an account later.
CREATE TABLE unknown_addresses (
    user_id         uuid NOT NULL REFERENCES users, -- who trusts or has invited the address
    organisation_id uuid REFERENCES organisations ON DELETE CASCADE, -- null: the address is trusted
    email           text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320), -- in lower case
    role            text CHECK (role IN ('owner', 'member')),
    since           timestamptz NOT NULL,
    CHECK ((organisation_id IS NULL) = (role IS NULL))
);
CREATE UNIQUE INDEX unknown_addresses_trusted ON unknown_addresses (user_id, email)
    WHERE organisation_id IS NULL;
CREATE UNIQUE INDEX unknown_addresses_invited ON unknown_addresses (organisation_id, email)
    WHERE organisation_id IS NOT NULL;

-- ── audit ───────────────────────────────────────────────────────────────────────────────────────

-- What admins did, written in the transaction of the change.
CREATE TABLE audit (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor_id   uuid,                              -- null: somebody on the gateway's machine, or a provider
    actor      text NOT NULL,                     -- the e-mail address at that time, or 'console:' and the login name, or
                                                  -- 'provider:' and its id
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
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT USAGE ON SCHEMA public TO rendertrust_app;
        GRANT SELECT ON schema_migrations TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON users TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON invitations, refresh_families, api_keys, identities, device_logins, organisations, organisation_members, mails, deleted_addresses TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON authenticators, passkeys, passkey_challenges TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON mailer_life TO rendertrust_app;
        GRANT SELECT, INSERT, DELETE ON spent_refresh_tokens, revocations, trusts, unknown_addresses, password_resets,
            mailed_tokens, recovery_codes, pending_sign_ins, app_setups, provider_sign_ins TO rendertrust_app;
        GRANT SELECT, INSERT ON audit TO rendertrust_app; -- append-only
    END IF;
END $$;
