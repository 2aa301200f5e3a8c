-- Attempts that came to nothing whose objects, if they had any, are removed: what was delivered and refused,
-- or late, is kept as long as a result, and no longer.
CREATE TABLE removed_attempts (
    job_id     uuid NOT NULL,
    number     integer NOT NULL,
    attempt    integer NOT NULL,
    removed_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, number, attempt),
    FOREIGN KEY (job_id, number, attempt) REFERENCES attempts
);
CREATE INDEX attempts_ended ON attempts (ended_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON removed_attempts TO rendertrust_app;
    END IF;
END $$;
