-- Results that come in parts: the store's undertakings for what nodes made that have not ended.

CREATE TABLE result_multiparts (
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    attempt    integer NOT NULL CHECK (attempt > 0),
    what       text NOT NULL CHECK (what IN ('result', 'evidence')),
    store_id   text NOT NULL,                     -- as the store names it; no node is told
    object_key text NOT NULL,                     -- what it will be
    size       bigint NOT NULL CHECK (size > 0),  -- as its node says
    asked_at   timestamptz NOT NULL,              -- when leave for a part was asked for last
    PRIMARY KEY (job_id, unit, attempt, what),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
-- Those that nobody goes on with are aborted.
CREATE INDEX result_multiparts_asked ON result_multiparts (asked_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON result_multiparts TO rendertrust_app;
    END IF;
END $$;

-- What a delivery is checked by lies beside it, under a key of its own.

ALTER TABLE checks
    ADD COLUMN evidence_sha256 bytea CHECK (octet_length(evidence_sha256) = 32),
    ADD COLUMN evidence_size bigint CHECK (evidence_size >= 0),
    ADD COLUMN packed boolean NOT NULL DEFAULT false, -- picture and evidence are one zip, of a release before
    ADD CHECK ((evidence_sha256 IS NULL) = (evidence_size IS NULL));

-- What waits now was delivered as one file. Nobody can check that any more.
UPDATE checks SET packed = true;
