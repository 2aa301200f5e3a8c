-- Scenes of which parts come out otherwise than their frames: a check by crops says nothing of them. And where
-- a suspicion was seen, so that who refutes it looks there, too.
CREATE TABLE uncut_scenes (
    user_id     uuid NOT NULL REFERENCES users,
    payload_ref text NOT NULL,
    job_id      uuid NOT NULL, -- whose unit's
    unit        integer NOT NULL,
    attempt     integer NOT NULL CHECK (attempt > 0), -- result showed it
    found_at    timestamptz NOT NULL,
    PRIMARY KEY (user_id, payload_ref),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
ALTER TABLE suspicions ADD COLUMN draws double precision[]; -- x, y and cell of each crop

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON uncut_scenes TO rendertrust_app;
    END IF;
END $$;
