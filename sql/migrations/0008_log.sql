-- The log: every transfer of the books is a leaf of one Merkle tree (RFC 9162). Checkpoints are signed, and anchored on
-- a chain. docs/PROOF-FORMATS.md describes the bytes.

-- One row. Each append locks it.
CREATE TABLE log_head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    origin      text NOT NULL CHECK (origin ~ '^[^[:space:]+]{1,255}$'), -- the log's name in checkpoints
    size        bigint NOT NULL CHECK (size >= 0), -- number of leaves
    root        bytea NOT NULL CHECK (octet_length(root) = 32), -- root over all leaves
    -- Every transfer up to this number has its leaf, and no transfer will be inserted below it any more. The sequence
    -- assigns numbers in advance, so transfers have gaps and do not commit in order.
    covered     bigint NOT NULL CHECK (covered >= 0),
    -- number of checkpoints, so that a removed one is noticed
    checkpoints bigint NOT NULL DEFAULT 0 CHECK (checkpoints >= 0)
);

-- The head only grows, and never beyond the numbers that the sequence has assigned. The gateway's role may write the
-- head: without this it could make room for transfers in the past, or make the log skip future ones.
CREATE FUNCTION refuse_to_go_back() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.covered < OLD.covered OR NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the log does not go back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.covered > OLD.covered
       AND NEW.covered > coalesce(pg_sequence_last_value('public.transfers_id_seq'), 0) THEN
        RAISE EXCEPTION 'the log covers % and no sequence gave it', NEW.covered
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER log_head_forward BEFORE UPDATE ON log_head
    FOR EACH ROW EXECUTE FUNCTION refuse_to_go_back();

-- No foreign key on transfers: an append reads the transfer in the same transaction, transfers are never deleted, and
-- fsck compares both.
CREATE TABLE leaves (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0), -- 0, 1, 2 … without gaps
    transfer   bigint UNIQUE,                     -- null: the leaf of an epoch
    -- open the commitments to the private parts: 32 random bytes for the debit, and 32 for the credit
    salts      bytea CHECK (octet_length(salts) = 64),
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    CHECK ((transfer IS NULL) = (salts IS NULL))
);

-- Complete log tiles: 256 adjacent hashes of every eighth level. Everything else is computed from leaves and the
-- roots of log tiles.
CREATE TABLE tiles (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    number bigint NOT NULL CHECK (number >= 0),
    root   bytea NOT NULL CHECK (octet_length(root) = 32), -- the tile's hash in the next level
    hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (level, number)
);
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL; -- hashes do not compress

-- Signed states of the log.
CREATE TABLE checkpoints (
    size   bigint PRIMARY KEY CHECK (size >= 0),
    number bigint NOT NULL UNIQUE,                -- 1, 2, 3 …
    root   bytea NOT NULL CHECK (octet_length(root) = 32),
    at     timestamptz NOT NULL,
    note   text NOT NULL                          -- the signed note (C2SP) as published
);

-- Valid keys of the log: the first key, keys that the previous key has signed, and keys that the person who runs the
-- gateway has adopted by hand.
CREATE TABLE log_keys (
    verifier text PRIMARY KEY,                    -- name+id+key
    added_at timestamptz NOT NULL
);

-- Transactions on the chain, stored before they are sent: each anchors a checkpoint, or deploys the contract.
CREATE TABLE chain_transactions (
    chain_id     bigint NOT NULL CHECK (chain_id > 0),
    sender       text NOT NULL,
    nonce        bigint NOT NULL CHECK (nonce >= 0),
    contract     text NOT NULL,                   -- the contract that it deploys or calls
    size         bigint REFERENCES checkpoints,   -- the checkpoint; null: a deployment
    root         bytea CHECK (octet_length(root) = 32),
    raw          bytea NOT NULL,                  -- the newest signed version, as it is sent
    hashes       text[] NOT NULL CHECK (cardinality(hashes) > 0), -- of all versions, newest last
    state        text NOT NULL CHECK (state IN (
                     'PENDING',    -- signed; it may have been sent, and may be in a block that the chain can still drop
                     'CONFIRMED',  -- deep enough in the chain; PENDING again if the chain dropped it
                     'FAILED')),   -- without effect for good; another transaction takes its place
    mined_hash   text,                            -- hash of the version that is in a block
    -- number of that block; another fork may have another block with this number
    block_number bigint,
    block_hash   text,
    note         text,                            -- the gateway's signed note about a confirmed anchor, part of proofs
    error        text,
    created_at   timestamptz NOT NULL,
    bid_at       timestamptz NOT NULL,            -- when the newest version was signed
    confirmed_at timestamptz,
    PRIMARY KEY (chain_id, sender, nonce),
    CHECK ((size IS NULL) = (root IS NULL)),
    CHECK (state <> 'CONFIRMED' OR (block_number IS NOT NULL AND confirmed_at IS NOT NULL))
);
CREATE INDEX chain_transactions_size ON chain_transactions (size DESC) WHERE size IS NOT NULL;

-- ── halts and epochs ────────────────────────────────────────────────────────────────────────────

-- An epoch continues the log from an older backup although the chain has more of it. The first epoch has no row.
CREATE TABLE epochs (
    number     integer PRIMARY KEY CHECK (number >= 2),
    leaf_index bigint NOT NULL UNIQUE CHECK (leaf_index >= 0), -- index of its first leaf; earlier leaves were kept
    leaf       text NOT NULL,
    origin     text NOT NULL,                     -- the log's name from then on
    -- the chain, and the contract, size and root that it had of the previous epoch; 0: the farm has no chain, and
    -- size and root are those of the newest checkpoint that a gateway kept
    chain_id   bigint NOT NULL CHECK (chain_id >= 0),
    contract   text NOT NULL,
    size       bigint NOT NULL CHECK (size >= 0),
    root       bytea NOT NULL CHECK (octet_length(root) = 32),
    sender     text NOT NULL,
    -- the sender's next number: all transactions with smaller numbers are final, or lost
    nonce      bigint NOT NULL CHECK (nonce >= 0),
    at         timestamptz NOT NULL
);

-- The reason why nothing may be written to the books; at most one row. log_halted says whether it still applies.
CREATE TABLE log_halt (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    reason   text NOT NULL CHECK (reason IN (
                 'RESTORED',   -- from a backup; it is not known yet whether the chain has more
                 -- a gateway has signed leaves that the database lacks: an older database was put in place
                 'BEHIND',
                 'AHEAD',      -- the chain has more leaves than the database
                 'OTHER')),    -- the chain has another root at this size
    found_at timestamptz NOT NULL,
    chain_id bigint,
    contract text,
    size     bigint,                              -- size of the log on the chain, or in the gateway's memory
    root     bytea CHECK (octet_length(root) = 32),
    origin   text,                                -- BEHIND: the name of the log
    seen_at  timestamptz,                         -- BEHIND: when that checkpoint was signed
    CONSTRAINT log_halt_check CHECK (reason = 'RESTORED' OR (size IS NOT NULL AND root IS NOT NULL)),
    CONSTRAINT log_halt_chain_check CHECK (reason NOT IN ('AHEAD', 'OTHER')
                                           OR (chain_id IS NOT NULL AND contract IS NOT NULL)),
    CONSTRAINT log_halt_seen_check CHECK (reason <> 'BEHIND' OR (origin IS NOT NULL AND seen_at IS NOT NULL))
);

-- The halt that applies. A new epoch ends a halt about a contract that the epoch left behind, even if an anchor actor
-- stores the halt after the epoch began; and a BEHIND halt about a checkpoint that was signed before the epoch.
CREATE VIEW log_halted AS
SELECT reason, found_at, chain_id, contract, size, root, origin, seen_at FROM log_halt h
WHERE NOT EXISTS (SELECT FROM epochs e WHERE e.chain_id = h.chain_id AND e.contract = h.contract)
  AND NOT (reason = 'BEHIND' AND EXISTS (SELECT FROM epochs e WHERE e.at >= h.seen_at AND e.origin <> h.origin));

-- One row: the latest findings of the gateway that audits the books, for the other gateways.
CREATE TABLE last_audit (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    at       timestamptz NOT NULL,                -- when the audit began
    whole    timestamptz,                         -- when the last audit of everything began
    findings jsonb NOT NULL,                      -- [[invariant, subject, found], …]
    noted_at timestamptz NOT NULL
);

-- The last backup, and when a backup was last restored for trial; at most one row. The commands write it.
CREATE TABLE last_backup (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    made_at  timestamptz,
    bytes    bigint CHECK (bytes >= 0),
    tried_at timestamptz
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['leaves', 'tiles', 'checkpoints', 'log_keys', 'epochs'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %1$s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON log_halted TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON log_head, chain_transactions, last_audit, last_backup TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON log_halt TO rendertrust_app;
        GRANT SELECT, INSERT ON leaves, tiles, checkpoints, log_keys, epochs TO rendertrust_app; -- append-only
    END IF;
END $$;
