-- Checks of which the right answer was known: what verifier nodes said of them.
CREATE TABLE verifier_tests (
    id           uuid PRIMARY KEY,       -- of the check, as its node was asked
    node_id      uuid NOT NULL REFERENCES nodes,
    device_class text NOT NULL CHECK (char_length(device_class) <= 200),
    job_id       uuid NOT NULL,          -- of which result, with other parameters than it was rendered with
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    passed       boolean NOT NULL,       -- it said that the result is not valid
    at           timestamptz NOT NULL,
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
-- What a node is known by: those are strikes.
CREATE INDEX verifier_tests_failed ON verifier_tests (node_id, device_class, at) WHERE NOT passed;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON verifier_tests TO rendertrust_app;
    END IF;
END $$;
