-- Nodes: machines that render, how they are enrolled, whether they may work, and their connections.

CREATE TABLE nodes (
    id               uuid PRIMARY KEY,
    owner_id         uuid REFERENCES users,       -- set when the node is verified
    name             text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    public_key       bytea NOT NULL CHECK (octet_length(public_key) = 32),
    capabilities     text[] NOT NULL,
    metadata         jsonb NOT NULL DEFAULT '{}',
    is_embedded      boolean NOT NULL DEFAULT false, -- a verifier that a gateway runs itself
    status           text NOT NULL DEFAULT 'REGISTERED' CHECK (status IN (
                         'REGISTERED',   -- has a token, was never heard of
                         'HEALTHY',      -- a heartbeat or a session within 90 s
                         'UNHEALTHY',    -- silent for 90 s
                         'OFFLINE')),    -- silent for 300 s
    current_load     double precision NOT NULL DEFAULT 0 CHECK (current_load BETWEEN 0 AND 1),
    verified_at      timestamptz,
    seen_at          timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    session_epoch    bigint NOT NULL DEFAULT 0,   -- sessions so far; the newest serves the node, older ones are closed
    -- What people and the gateway's checks say about it; its status is apart.
    standing         text NOT NULL DEFAULT 'ACTIVE' CHECK (standing IN (
                         'ACTIVE',       -- is given work
                         'DRAINING',     -- finishes what it runs, is given nothing new
                         'QUARANTINED',  -- is given its owner's work only
                         'REVOKED')),    -- for good: its tokens and its key are refused
    standing_version bigint NOT NULL DEFAULT 0,   -- the greater of two versions holds
    standing_reason  text NOT NULL DEFAULT '' CHECK (char_length(standing_reason) <= 500),
    standing_at      timestamptz,                 -- null: the standing was never changed
    -- Since when it is in quarantine, or was until it was revoked. New keys of its owner start in quarantine, too.
    quarantined_at   timestamptz,
    -- Why the gateway itself quarantined it: it delivered invalid results, or another key of its owner was in
    -- quarantine when it was enrolled. Null: it did not, or an admin did. Only a release of such a node restarts its
    -- record.
    caught           text CHECK (caught IN ('LIES', 'KIN')),
    released_at      timestamptz                  -- when it left quarantine last: its record starts there
);
-- A key belongs to one node once its possession was proved; before that anybody may claim it.
CREATE UNIQUE INDEX nodes_verified_key ON nodes (public_key) WHERE verified_at IS NOT NULL;
CREATE INDEX nodes_standing_at ON nodes (standing_at) WHERE standing_at IS NOT NULL; -- gateways poll recent changes
CREATE INDEX nodes_quarantined ON nodes (owner_id) WHERE quarantined_at IS NOT NULL;
CREATE INDEX nodes_owner ON nodes (owner_id, created_at DESC, id DESC);
CREATE INDEX nodes_created ON nodes (created_at DESC, id DESC);

-- A challenge is answered once, within five minutes.
CREATE TABLE node_challenges (
    challenge  bytea PRIMARY KEY CHECK (octet_length(challenge) = 32),
    node_id    uuid NOT NULL REFERENCES nodes,
    owner_id   uuid REFERENCES users,             -- who will own the node once it is verified
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX node_challenges_node ON node_challenges (node_id, expires_at); -- limits open challenges
CREATE INDEX node_challenges_expiry ON node_challenges (expires_at);        -- the sweep

-- A node is lent to at most one organisation, by its owner. It counts while the owner is a member.
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
    code       integer,                           -- of the WebSocket close
    by_us      boolean NOT NULL DEFAULT false,    -- the gateway closed it
    CHECK ((ended_at IS NULL) = (code IS NULL))
);
CREATE INDEX node_connections_of_node ON node_connections (node_id, opened_at DESC);
CREATE INDEX node_connections_open ON node_connections (gateway_id) WHERE ended_at IS NULL;
CREATE INDEX node_connections_ended ON node_connections (ended_at) WHERE ended_at IS NOT NULL; -- the sweep

-- When each gateway was last alive. The open connections of a gateway that fell silent ended with it.
CREATE TABLE gateway_lives (
    id      uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- Verifiers that were connected to any gateway lately, so that each gateway knows which results can be checked.
CREATE TABLE verifiers (
    node_id      uuid PRIMARY KEY REFERENCES nodes ON DELETE CASCADE,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    seen_at      timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        -- DELETE on nodes: registrations without a proof are removed.
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON nodes, node_challenges, organisation_nodes, node_connections, gateway_lives TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON verifiers TO rendertrust_app;
    END IF;
END $$;
