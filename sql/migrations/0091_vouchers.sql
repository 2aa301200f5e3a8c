-- On whose word alone a result was called valid, and where it had looked. When the node whose result it is
-- is caught one of the gateway's own looks there.
CREATE TABLE vouchers (
    job_id       uuid NOT NULL,
    unit         integer NOT NULL,
    attempt      integer NOT NULL CHECK (attempt > 0),
    verifier_id  uuid NOT NULL REFERENCES nodes,
    device_class text NOT NULL,
    at           timestamptz NOT NULL,
    draws        double precision[] NOT NULL, -- x, y and cell of each crop
    shown        double precision[] NOT NULL, -- which frames of a chunk or a video
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

-- Of which of several pictures a suspicion is: who has the word looks at those.
ALTER TABLE suspicions ADD COLUMN shown double precision[];

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON vouchers TO rendertrust_app;
    END IF;
END $$;
