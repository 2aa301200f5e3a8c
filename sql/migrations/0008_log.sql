-- The log: every entry of the books is a leaf of one Merkle tree (RFC 9162), in the order in which
-- the Sequencer took them up. docs/PROOF.md has the bytes.

-- SHA-256 of the render receipt that an entry pays for: of the part that everybody may see.
ALTER TABLE entries ADD COLUMN receipt bytea CHECK (octet_length(receipt) = 32);

-- One row: who appends locks it.
CREATE TABLE log_head (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    origin     text NOT NULL CHECK (origin ~ '^[^[:space:]+]{1,255}$'), -- the log's name in checkpoints
    size       bigint NOT NULL CHECK (size >= 0),      -- how many leaves there are
    root       bytea NOT NULL CHECK (octet_length(root) = 32), -- of all of them
    -- Every entry up to this number has its leaf, and none will come to be below it any more: numbers
    -- are given in advance, so that entries neither follow without a hole nor commit in order.
    covered    bigint NOT NULL CHECK (covered >= 0)
);

-- No foreign key: who appends has read the entry in the same transaction, entries do not go, and
-- fsck looks for both.
CREATE TABLE leaves (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0), -- 0, 1, 2 … without a hole
    entry_id   bigint NOT NULL UNIQUE,            -- an entry is one leaf
    salt       bytea NOT NULL CHECK (octet_length(salt) = 32), -- who has it can open the private part
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32)
);

-- Complete tiles: 256 hashes beside each other, of every eighth level. What is not complete yet is
-- read from the leaves, and from the roots of the tiles below.
CREATE TABLE tiles (
    level      smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    number     bigint NOT NULL CHECK (number >= 0),
    root       bytea NOT NULL CHECK (octet_length(root) = 32), -- its hash one level up
    hashes     bytea NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (level, number)
);
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL; -- hashes do not compress

-- What the log was at a moment, signed.
CREATE TABLE checkpoints (
    size       bigint PRIMARY KEY CHECK (size >= 0),
    root       bytea NOT NULL CHECK (octet_length(root) = 32),
    at         timestamptz NOT NULL,
    note       text NOT NULL                      -- as strangers get it: C2SP signed note
);

-- Whose signatures count: the first key, those that followed with a signature of the one before, and
-- those that the operator adopted.
CREATE TABLE log_keys (
    verifier   text PRIMARY KEY,                  -- name+id+key
    added_at   timestamptz NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['leaves', 'tiles', 'checkpoints', 'log_keys'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %1$s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        RETURN;
    END IF;
    GRANT SELECT ON log_head, leaves, tiles, checkpoints, log_keys TO rendertrust_app;
    GRANT INSERT, UPDATE ON log_head TO rendertrust_app;
    GRANT INSERT ON leaves, tiles, checkpoints, log_keys TO rendertrust_app; -- append-only
END $$;
