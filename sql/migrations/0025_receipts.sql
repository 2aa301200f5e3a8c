-- What was done for a charge, as the node signed it and the gateway after it: docs/PROOF.md has the bytes.

CREATE TABLE receipts (
    job_id    uuid NOT NULL,
    unit      integer NOT NULL,
    attempt   integer NOT NULL CHECK (attempt > 0),
    document  text NOT NULL,                      -- canonical JSON
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32), -- SHA-256 of it, which the entries have that it is paid by
    signature bytea NOT NULL CHECK (octet_length(signature) = 64), -- the gateway's
    entry_id  bigint,                             -- that charges for it; null: it cost nothing
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON receipts TO rendertrust_app; -- append-only
    END IF;
END $$;
