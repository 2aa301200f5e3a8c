-- What one of the gateway's own saw of a result that a stranger alone had called valid: whether it holds. Where
-- it does not its node has a strike, as by any check; each once.
CREATE TABLE second_looks (
    job_id       uuid NOT NULL,
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    node_id      uuid NOT NULL REFERENCES nodes,
    device_class text NOT NULL,
    at           timestamptz NOT NULL,
    held         boolean, -- null: nothing could be said
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
-- In the order in which they are looked at.
CREATE INDEX vouchers_at ON vouchers (at, job_id, unit);
CREATE INDEX second_looks_lies ON second_looks (node_id, at) WHERE NOT held;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON second_looks TO rendertrust_app;
    END IF;
END $$;
