-- Compatible from: 0116
-- Verifiers that were connected to a gateway lately, so that each gateway knows what all of them can check.
CREATE TABLE verifiers (
    node_id      uuid PRIMARY KEY REFERENCES nodes ON DELETE CASCADE,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    seen_at      timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON verifiers TO rendertrust_app;
    END IF;
END $$;
