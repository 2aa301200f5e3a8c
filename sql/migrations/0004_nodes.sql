-- What people say about a node, beside what its heartbeats say; lists by cursor; deductions.

ALTER TABLE nodes
    ADD COLUMN standing text NOT NULL DEFAULT 'ACTIVE'
        CHECK (standing IN ('ACTIVE',       -- is given work
                            'DRAINING',     -- finishes what it runs, is given nothing new
                            'QUARANTINED',  -- by an admin: is given its owner's work alone
                            'REVOKED')),    -- for good: its tokens open nothing, nor does its key
    ADD COLUMN standing_version bigint NOT NULL DEFAULT 0, -- of two words on a node the greater holds
    ADD COLUMN standing_reason text NOT NULL DEFAULT '' CHECK (char_length(standing_reason) <= 500),
    ADD COLUMN standing_by uuid REFERENCES users,
    ADD COLUMN standing_at timestamptz;                     -- null: nobody ever said anything
-- What gateways look at every half second: who was spoken of lately.
CREATE INDEX nodes_standing_at ON nodes (standing_at) WHERE standing_at IS NOT NULL;
-- Lists, newest first, by cursor.
DROP INDEX nodes_owner;
CREATE INDEX nodes_owner ON nodes (owner_id, created_at DESC, id DESC);
CREATE INDEX nodes_created ON nodes (created_at DESC, id DESC);

-- A node has few challenges at once, and old ones are swept.
CREATE INDEX node_challenges_node ON node_challenges (node_id, expires_at);
CREATE INDEX node_challenges_expiry ON node_challenges (expires_at);

-- What a user deducts himself has references of its own: no grant or job can be in its way.
ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check
    CHECK (kind IN ('STRIPE', 'USAGE', 'ADJUSTMENT', 'REFUND', 'EARNING', 'DEDUCTION'));

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT DELETE ON node_challenges TO rendertrust_app;
    END IF;
END $$;
