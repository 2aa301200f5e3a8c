-- Whether a delivery is checked is drawn once, as it is written down; and one gateway at a time has its check.
ALTER TABLE checks
    ADD COLUMN drawn boolean,                    -- null: delivered through a gateway of a release before
    ADD COLUMN claimed_by uuid,                  -- the gateway that has it checked; null: none does
    ADD COLUMN claimed_until timestamptz;        -- then another may

-- One row: the secret by which all gateways draw, sealed with the log's key. It may be replaced at any
-- time: what was drawn by it stands with the deliveries.
CREATE TABLE draw_secret (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed     bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 44 AND 200),
    made_at    timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON draw_secret TO rendertrust_app;
    END IF;
END $$;
