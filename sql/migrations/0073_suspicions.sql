-- The first word on a result that another verifier must confirm: kept, so that a restart asks nobody anew,
-- and shown with what became of it.
CREATE TABLE suspicions (
    job_id       uuid NOT NULL,
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    verifier_id  uuid NOT NULL REFERENCES nodes, -- who said so,
    owner_id     uuid,                           -- and who owned it then
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    word         text NOT NULL CHECK (word IN ('suspicious', 'mismatch')),
    said         text NOT NULL CHECK (char_length(said) <= 500),
    at           timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX suspicions_by ON suspicions (verifier_id);

CREATE VIEW suspected AS
SELECT s.*, CASE WHEN c.verdict IS NULL THEN 'waits'
                 WHEN c.verdict = 'mismatch' THEN 'confirmed'
                 WHEN c.verdict IN ('exact', 'match', 'consistent') THEN 'refuted'
                 ELSE 'open' END AS became
FROM suspicions s JOIN checks c USING (job_id, unit, attempt);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON suspicions TO rendertrust_app;
        GRANT SELECT ON suspected TO rendertrust_app;
    END IF;
END $$;
