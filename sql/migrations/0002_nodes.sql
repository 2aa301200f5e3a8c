-- Nodes: machines that render, how they are enrolled, whether they may work, and their connections.

CREATE TABLE nodes (
    id               uuid PRIMARY KEY,
    owner_id         uuid REFERENCES users,       -- set once the node is verified
    name             text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    public_key       bytea NOT NULL CHECK (octet_length(public_key) = 32),
    capabilities     text[] NOT NULL,
    metadata         jsonb NOT NULL DEFAULT '{}',
    is_embedded      boolean NOT NULL DEFAULT false, -- a verifier that a gateway runs itself
    status           text NOT NULL DEFAULT 'REGISTERED' CHECK (status IN (
                         'REGISTERED',   -- has a token, and was never heard from
                         'HEALTHY',      -- had a heartbeat or a session within 90 s
                         'UNHEALTHY',    -- has been silent for 90 s
                         'OFFLINE')),    -- has been silent for 300 s
    current_load     double precision NOT NULL DEFAULT 0 CHECK (current_load BETWEEN 0 AND 1),
    verified_at      timestamptz,
    seen_at          timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- number of sessions so far; the newest serves the node, older ones are closed
    session_epoch    bigint NOT NULL DEFAULT 0,
    -- The standing, which admins, owners and the gateway's checks change. It is independent of the status.
    standing         text NOT NULL DEFAULT 'ACTIVE' CHECK (standing IN (
                         'ACTIVE',       -- gets work
                         'DRAINING',     -- finishes what it runs and gets nothing new
                         'QUARANTINED',  -- gets only its owner's work
                         'REVOKED')),    -- permanent: its tokens and its key are refused
    standing_version bigint NOT NULL DEFAULT 0,   -- of two standings the one with the greater version counts
    standing_reason  text NOT NULL DEFAULT '' CHECK (char_length(standing_reason) <= 500),
    standing_at      timestamptz,                 -- null: the standing was never changed
    standing_by      text CHECK (standing_by IN ('OWNER', 'ADMIN', 'GATEWAY')), -- who changed it last; null: it never changed
    -- When the quarantine began that the node is in, or was in until it was revoked. New keys of its owner then also
    -- start in quarantine.
    quarantined_at   timestamptz,
    -- Why the gateway itself quarantined the node: it delivered invalid results (LIES), or another key of its owner
    -- was in quarantine when it was enrolled (KIN). Null: the node was not quarantined, or an admin did
    -- it. The release of a node resets its record only if this is not null.
    caught           text CHECK (caught IN ('LIES', 'KIN')),
    released_at      timestamptz,                 -- when it last left quarantine: its record begins there
    recent_failures  integer NOT NULL DEFAULT 0 CHECK (recent_failures >= 0), -- by the node's fault (node_failures.py)
    failing_since    timestamptz,                 -- null: it does not fail often
    failing_code     text NOT NULL DEFAULT '' CHECK (char_length(failing_code) <= 50),     -- of the last failure
    failing_reason   text NOT NULL DEFAULT '' CHECK (char_length(failing_reason) <= 500),  -- in the node's words
    -- Valid results for its owner end the quarantine: the gateway began it because of invalid results, no admin has
    -- ordered it since, and the node never left a quarantine before.
    ends_by_results  boolean NOT NULL GENERATED ALWAYS AS (
                         standing = 'QUARANTINED' AND released_at IS NULL
                         AND coalesce(caught = 'LIES' AND standing_at = quarantined_at, false)) STORED
);
-- A key belongs to the node that has proved possession. Before that, any node may claim it.
CREATE UNIQUE INDEX nodes_verified_key ON nodes (public_key) WHERE verified_at IS NOT NULL;
CREATE INDEX nodes_standing_at ON nodes (standing_at) WHERE standing_at IS NOT NULL; -- gateways poll recent changes
CREATE INDEX nodes_quarantined ON nodes (owner_id) WHERE quarantined_at IS NOT NULL;
CREATE INDEX nodes_owner ON nodes (owner_id, created_at DESC, id DESC);
CREATE INDEX nodes_created ON nodes (created_at DESC, id DESC);

-- A mail to its owner when a node begins to fail often.
CREATE FUNCTION mail_failing_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM insert_notices(ARRAY['node.failing'], ARRAY[NEW.owner_id], ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE TRIGGER nodes_failing_mailed AFTER UPDATE OF failing_since ON nodes
    FOR EACH ROW WHEN (OLD.failing_since IS NULL AND NEW.failing_since IS NOT NULL AND NEW.owner_id IS NOT NULL)
    EXECUTE FUNCTION mail_failing_nodes();

-- A challenge can be answered once, within five minutes.
CREATE TABLE node_challenges (
    challenge  bytea PRIMARY KEY CHECK (octet_length(challenge) = 32),
    node_id    uuid NOT NULL REFERENCES nodes,
    owner_id   uuid REFERENCES users,             -- who will own the node once it is verified
    -- what a known node is called once it has proved its key again; null: as before
    name       text CHECK (char_length(name) BETWEEN 1 AND 255),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX node_challenges_node ON node_challenges (node_id, expires_at); -- limits open challenges
CREATE INDEX node_challenges_expiry ON node_challenges (expires_at);        -- for the sweep

-- Codes with which machines join as nodes of the user who made the code. Each works once, for fifteen minutes.
CREATE TABLE join_codes (
    id          uuid PRIMARY KEY,
    owner_id    uuid NOT NULL REFERENCES users,
    sha256      bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32), -- of the code, which is not stored
    gateway_key bytea NOT NULL CHECK (octet_length(gateway_key) = 32),   -- the key of the log, which the code names
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at     timestamptz,
    node_id     uuid REFERENCES nodes ON DELETE CASCADE, -- the node that joined with it
    CHECK ((used_at IS NULL) = (node_id IS NULL))
);
CREATE INDEX join_codes_owner ON join_codes (owner_id, created_at DESC, id DESC);
CREATE INDEX join_codes_expires ON join_codes (expires_at); -- for the purge
CREATE INDEX join_codes_node ON join_codes (node_id) WHERE node_id IS NOT NULL;

-- A node is lent to at most one organisation, by its owner, while the owner is a member.
CREATE TABLE organisation_nodes (
    node_id         uuid PRIMARY KEY REFERENCES nodes,
    organisation_id uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    lent_at         timestamptz NOT NULL
);
CREATE INDEX organisation_nodes_of ON organisation_nodes (organisation_id);

-- The last connections of each node, and how each one ended.
CREATE TABLE node_connections (
    id         uuid PRIMARY KEY,
    gateway_id uuid NOT NULL,
    node_id    uuid NOT NULL REFERENCES nodes,
    address    text NOT NULL CHECK (char_length(address) <= 100),
    opened_at  timestamptz NOT NULL,
    pong_at    timestamptz,
    ended_at   timestamptz,
    code       integer,                           -- of the WebSocket close frame
    by_us      boolean NOT NULL DEFAULT false,    -- the gateway closed it
    CHECK ((ended_at IS NULL) = (code IS NULL))
);
CREATE INDEX node_connections_of_node ON node_connections (node_id, opened_at DESC);
CREATE INDEX node_connections_open ON node_connections (gateway_id) WHERE ended_at IS NULL;
CREATE INDEX node_connections_ended ON node_connections (ended_at) WHERE ended_at IS NOT NULL; -- for the sweep

-- When each gateway was last alive. Open connections of a gateway that has fallen silent are ended.
CREATE TABLE gateway_lives (
    id      uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- Verifiers that were connected to any gateway recently, so that each gateway knows which results can be checked, and
-- how busy the verifiers of all gateways are.
CREATE TABLE verifiers (
    node_id      uuid PRIMARY KEY REFERENCES nodes ON DELETE CASCADE,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    checks       text NOT NULL DEFAULT 'render video' CHECK (char_length(checks) <= 10000), -- job types that it can check
    other_classes text NOT NULL DEFAULT '' CHECK (char_length(other_classes) <= 10000), -- with its other builds
    cores        integer CHECK (cores > 0),           -- null: it does not say
    checking     integer NOT NULL CHECK (checking >= 0), -- results in the check that it runs
    load         double precision NOT NULL CHECK (load BETWEEN 0 AND 1), -- share of the last minutes it was busy
    seen_at      timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        -- DELETE on nodes: unproved registrations are removed.
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON nodes, node_challenges, join_codes, organisation_nodes, node_connections, gateway_lives TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON verifiers TO rendertrust_app;
    END IF;
END $$;
