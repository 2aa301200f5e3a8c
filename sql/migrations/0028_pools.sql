-- Whose nodes may do whose work: organisations with members and nodes, and who trusts whom.

CREATE TABLE organisations (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL
);

CREATE TABLE organisation_members (
    organisation_id uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES users,
    role            text NOT NULL CHECK (role IN (
                        'owner',      -- invites and removes, names owners, ends the organisation
                        'member')),
    invited_by      uuid REFERENCES users,   -- null: who founded it
    invited_at      timestamptz NOT NULL,
    joined_at       timestamptz,             -- null: invited, and as good as a stranger
    PRIMARY KEY (organisation_id, user_id)
);
CREATE INDEX organisation_members_of_user ON organisation_members (user_id);

-- A node is lent to one organisation at most, by its owner. It counts while he is a member.
CREATE TABLE organisation_nodes (
    node_id         uuid PRIMARY KEY REFERENCES nodes,
    organisation_id uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    lent_at         timestamptz NOT NULL
);
CREATE INDEX organisation_nodes_of ON organisation_nodes (organisation_id);

-- Whom a user trusts: as a creator with his scenes, as an operator to run scenes without a sandbox.
CREATE TABLE trusts (
    user_id    uuid NOT NULL REFERENCES users,
    trusted_id uuid NOT NULL REFERENCES users,
    since      timestamptz NOT NULL,
    PRIMARY KEY (user_id, trusted_id),
    CHECK (user_id <> trusted_id)
);
CREATE INDEX trusts_in ON trusts (trusted_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON organisations, organisation_members, organisation_nodes TO rendertrust_app;
        GRANT SELECT, INSERT, DELETE ON trusts TO rendertrust_app;
    END IF;
END $$;
