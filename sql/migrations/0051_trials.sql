-- Checks of which the right answer is known, for verifier nodes: of which results, and what is wrong with them.
CREATE TABLE trials (
    id      uuid PRIMARY KEY,
    job_id  uuid NOT NULL,
    unit    integer NOT NULL,
    attempt integer NOT NULL,
    samples integer NOT NULL CHECK (samples > 0),     -- instead of those that it was rendered with
    draws   double precision[] NOT NULL,              -- x, y and cell of each crop; a cell of null: anywhere
    wrong   integer[] NOT NULL CHECK (cardinality(wrong) > 0),  -- which of the crops cannot be right
    made_at timestamptz NOT NULL,
    FOREIGN KEY (job_id, unit, attempt) REFERENCES checks
);
CREATE INDEX trials_made ON trials (made_at);

-- Owners whose nodes were given them: each gets each once.
CREATE TABLE trial_owners (
    trial_id uuid NOT NULL REFERENCES trials,
    owner_id uuid NOT NULL REFERENCES users,
    given_at timestamptz NOT NULL,
    PRIMARY KEY (trial_id, owner_id)
);
-- What a verifier said last.
CREATE INDEX verifier_tests_of_node ON verifier_tests (node_id, at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON trials, trial_owners TO rendertrust_app;
    END IF;
END $$;
