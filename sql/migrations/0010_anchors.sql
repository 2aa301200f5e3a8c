-- Anchors: checkpoints whose roots stand on a chain, by transactions that are kept before they are sent.

CREATE TABLE chain_transactions (
    chain_id     bigint NOT NULL CHECK (chain_id > 0),
    sender       text NOT NULL,
    nonce        bigint NOT NULL CHECK (nonce >= 0),
    contract     text NOT NULL,                   -- which it makes, or calls
    size         bigint REFERENCES checkpoints,   -- what it anchors; null: it makes the contract
    root         bytea CHECK (octet_length(root) = 32),
    raw          bytea NOT NULL,                  -- the newest of its forms, as it is sent
    hashes       text[] NOT NULL CHECK (cardinality(hashes) > 0), -- of all its forms, that one last
    state        text NOT NULL CHECK (state IN (
                     'PENDING',    -- signed; perhaps sent, perhaps in a block that may yet go
                     'CONFIRMED',  -- deep enough in the chain; PENDING again where the chain lost it
                     'FAILED')),   -- it did nothing, and never will: another takes its place
    block_number bigint,
    error        text,
    created_at   timestamptz NOT NULL,
    bid_at       timestamptz NOT NULL,            -- when its newest form was signed
    confirmed_at timestamptz,
    PRIMARY KEY (chain_id, sender, nonce),        -- a number is used once
    CHECK ((size IS NULL) = (root IS NULL)),
    CHECK (state <> 'CONFIRMED' OR (block_number IS NOT NULL AND confirmed_at IS NOT NULL))
);
CREATE INDEX chain_transactions_size ON chain_transactions (size DESC) WHERE size IS NOT NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON chain_transactions TO rendertrust_app;
    END IF;
END $$;
