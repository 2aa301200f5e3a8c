-- Jobs that are done again, attempts that came to nothing, and dead letters that somebody put aside.

-- A retry is a job of its own: its hold, its price, its line in the history. It names the one that it
-- does again, and of each job there is one at most.
ALTER TABLE jobs ADD COLUMN retry_of uuid REFERENCES jobs;
CREATE UNIQUE INDEX jobs_retry_of ON jobs (retry_of) WHERE retry_of IS NOT NULL;
-- Everybody's jobs, newest first, as the console lists them.
CREATE INDEX jobs_created ON jobs (created_at DESC, id DESC);

-- A unit's row knows its last attempt; those before it that ended without a result stand here.
CREATE TABLE attempts (
    job_id      uuid NOT NULL,
    number      integer NOT NULL,
    attempt     integer NOT NULL CHECK (attempt > 0),
    node_id     uuid,
    assigned_at timestamptz,
    started_at  timestamptz,                      -- null: it never ran
    ended_at    timestamptz NOT NULL,
    error_class text,                             -- null: nobody's fault
    error       text,
    PRIMARY KEY (job_id, number, attempt),
    FOREIGN KEY (job_id, number) REFERENCES units
);

-- Whatever takes an attempt from a node writes it down: one row for each that failed or was lost.
CREATE FUNCTION note_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO attempts (job_id, number, attempt, node_id, assigned_at, started_at, ended_at,
                          error_class, error)
    VALUES (OLD.job_id, OLD.number, OLD.attempt, OLD.node_id, OLD.assigned_at,
            CASE WHEN OLD.started_at >= OLD.assigned_at THEN OLD.started_at END,
            coalesce(NEW.ended_at, now()), NEW.error_class, NEW.error_message)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER units_attempt_noted AFTER UPDATE OF state ON units
    FOR EACH ROW WHEN (OLD.state IN ('DISPATCHED', 'RUNNING')
                       AND NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED'))
    EXECUTE FUNCTION note_attempt();
CREATE TRIGGER attempts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attempts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Dead letters that somebody looked at and wants to see no more. What they are about stays.
CREATE TABLE discards (
    kind      text NOT NULL CHECK (kind IN ('job', 'event')),
    id        text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 200),
    by        uuid NOT NULL REFERENCES users,
    reason    text NOT NULL CHECK (char_length(reason) <= 500),
    at        timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TRIGGER discards_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discards
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- What failed, and what Stripe told us that did not fit.
CREATE INDEX jobs_failed ON jobs (completed_at DESC) WHERE status = 'FAILED';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON attempts, discards TO rendertrust_app; -- append-only
    END IF;
END $$;
