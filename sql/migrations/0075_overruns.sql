-- Attempts that took over three times what their unit was quoted, as the gateway saw it: where nodes of three
-- owners did, the scene is underquoted, and has a new quote. ``percent``: of the quoted work, about how much it
-- takes.
CREATE TABLE overruns (
    job_id   uuid NOT NULL,
    unit     integer NOT NULL,
    attempt  integer NOT NULL CHECK (attempt > 0),
    node_id  uuid NOT NULL REFERENCES nodes,
    owner_id uuid REFERENCES users,  -- as it was then; null: nobody's
    percent  integer NOT NULL CHECK (percent > 100),
    at       timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON overruns TO rendertrust_app;
    END IF;
END $$;
