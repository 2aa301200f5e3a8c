-- Epochs: a log that goes on from an older backup, though a chain has more of it, says so.

-- A leaf without an entry is the one with which an epoch begins.
ALTER TABLE leaves ALTER COLUMN entry_id DROP NOT NULL;
ALTER TABLE leaves ALTER COLUMN salt DROP NOT NULL;
ALTER TABLE leaves ADD CHECK ((entry_id IS NULL) = (salt IS NULL));

CREATE TABLE epochs (
    number     integer PRIMARY KEY CHECK (number >= 2), -- the first has no row: nothing was lost before
    leaf_index bigint NOT NULL UNIQUE CHECK (leaf_index >= 0), -- what is before it was kept
    leaf       text NOT NULL,                     -- docs/PROOF.md has its lines
    origin     text NOT NULL,                     -- the log's name from there on
    chain_id   bigint NOT NULL CHECK (chain_id > 0),
    contract   text NOT NULL,                     -- of the epoch before; what it has does not go on
    size       bigint NOT NULL CHECK (size >= 0), -- what the chain had
    root       bytea NOT NULL CHECK (octet_length(root) = 32),
    sender     text NOT NULL,                     -- its transactions below the next number are over,
    nonce      bigint NOT NULL CHECK (nonce >= 0), -- also those that were lost
    at         timestamptz NOT NULL
);
CREATE TRIGGER epochs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON epochs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Why nothing is written to the books: see the view below.
CREATE TABLE log_halt (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    reason     text NOT NULL CHECK (reason IN (
                   'RESTORED',   -- from a backup; the chain has not been asked yet whether it has more
                   'AHEAD',      -- the chain has more leaves than the database
                   'OTHER')),    -- the chain has another root than the database at the same size
    found_at   timestamptz NOT NULL,
    chain_id   bigint,
    contract   text,
    size       bigint,                            -- what the chain has
    root       bytea CHECK (octet_length(root) = 32),
    CHECK (reason = 'RESTORED' OR (chain_id IS NOT NULL AND contract IS NOT NULL AND size IS NOT NULL
                                   AND root IS NOT NULL))
);

-- What counts: a contract that an epoch left behind halts nobody any more, though an Anchor that had
-- looked at it before may write it down after the epoch began.
CREATE VIEW log_halted AS
SELECT reason, found_at, chain_id, contract, size, root FROM log_halt h
WHERE NOT EXISTS (SELECT FROM epochs e WHERE e.chain_id = h.chain_id AND e.contract = h.contract);

-- By which of its forms a transaction came to be in a block.
ALTER TABLE chain_transactions ADD COLUMN mined_hash text;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON epochs TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON log_halt TO rendertrust_app;
        GRANT SELECT ON log_halted TO rendertrust_app;
    END IF;
END $$;
