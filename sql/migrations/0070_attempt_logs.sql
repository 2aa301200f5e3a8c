-- The last lines that a node said of an attempt that failed: of each job those of some attempts, and until
-- its results go.
CREATE TABLE attempt_logs (
    job_id  uuid NOT NULL,
    unit    integer NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    node_id uuid NOT NULL,
    lines   text NOT NULL CHECK (char_length(lines) BETWEEN 1 AND 16000),
    said_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, DELETE ON attempt_logs TO rendertrust_app;
    END IF;
END $$;
