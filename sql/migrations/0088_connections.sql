-- When nodes were connected, and how each connection ended: of each node the last ones. A gateway says now and
-- then that it is there; what is open of one that has fallen silent has ended with it.
CREATE TABLE node_connections (
    id         uuid PRIMARY KEY,
    gateway_id uuid NOT NULL,
    node_id    uuid NOT NULL REFERENCES nodes,
    address    text NOT NULL CHECK (char_length(address) <= 100),
    opened_at  timestamptz NOT NULL,
    pong_at    timestamptz,
    ended_at   timestamptz,
    code       integer,
    by_us      boolean NOT NULL DEFAULT false,
    CHECK ((ended_at IS NULL) = (code IS NULL))
);
CREATE INDEX node_connections_of_node ON node_connections (node_id, opened_at DESC);
CREATE INDEX node_connections_open ON node_connections (gateway_id) WHERE ended_at IS NULL;
CREATE INDEX node_connections_ended ON node_connections (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE gateway_lives (
    id      uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON node_connections, gateway_lives TO rendertrust_app;
    END IF;
END $$;
