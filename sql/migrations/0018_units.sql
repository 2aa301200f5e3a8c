-- Jobs of many units: frames, chunks of frames, tiles and what is made of them; priority, pauses, caps.

ALTER TABLE jobs DROP CONSTRAINT jobs_status_check;
ALTER TABLE jobs
    ADD COLUMN units     integer NOT NULL DEFAULT 1 CHECK (units > 0),
    ADD COLUMN priority  smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -1 AND 1),
    ADD COLUMN cap       bigint CHECK (cap >= 0),            -- what it may cost at most; null: its price
    ADD COLUMN committed bigint NOT NULL DEFAULT 0 CHECK (committed >= 0), -- units at work or complete
    ADD COLUMN charged   bigint NOT NULL DEFAULT 0 CHECK (charged >= 0),   -- units that are complete
    ADD COLUMN paused    text CHECK (paused IN (
                             'owner',      -- he said so
                             'cap')),      -- its next unit would pass what it may cost
    ADD COLUMN reached   text NOT NULL DEFAULT 'QUEUED' CHECK (reached IN ('QUEUED', 'DISPATCHED', 'RUNNING')),
    ADD COLUMN avoid     uuid[] NOT NULL DEFAULT '{}',       -- nodes that failed one of its units
    ADD CONSTRAINT jobs_status_check CHECK (status IN (
        'QUEUED', 'DISPATCHED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')),
    ADD CONSTRAINT jobs_paused CHECK ((status = 'PAUSED') = (paused IS NOT NULL)),
    ADD CONSTRAINT jobs_cap CHECK (cap IS NULL OR committed <= cap);

UPDATE jobs j SET units = c.units, committed = c.committed, charged = c.charged, avoid = c.avoid,
                  reached = CASE WHEN c.ran THEN 'RUNNING' WHEN c.assigned THEN 'DISPATCHED' ELSE 'QUEUED' END
FROM (SELECT u.job_id, count(*) AS units,
             coalesce(sum(u.price) FILTER (WHERE u.state IN ('DISPATCHED', 'RUNNING', 'COMPLETED')), 0) AS committed,
             coalesce(sum(u.price) FILTER (WHERE u.state = 'COMPLETED'), 0) AS charged,
             ARRAY(SELECT DISTINCT n.id FROM units w CROSS JOIN LATERAL unnest(w.avoid) AS n (id)
                   WHERE w.job_id = u.job_id) AS avoid,
             bool_or(u.started_at IS NOT NULL OR u.state IN ('RUNNING', 'COMPLETED')) AS ran,
             bool_or(u.attempt > 0) AS assigned
      FROM units u GROUP BY u.job_id) c
WHERE c.job_id = j.id;

-- What is to be looked for: the jobs that have not ended, however many have.
CREATE INDEX jobs_open ON jobs (queued_at, id) WHERE completed_at IS NULL;

ALTER TABLE units
    ADD COLUMN place   integer NOT NULL DEFAULT 0,   -- its turn within the job
    ADD COLUMN frames  text CHECK (char_length(frames) <= 2000), -- null: as the job's parameters say
    ADD COLUMN tile    integer CHECK (tile >= 0),    -- which one of its frame; null: not a tile
    ADD COLUMN feeds   integer,                      -- the unit that is made of this one and others
    ADD COLUMN missing integer NOT NULL DEFAULT 0 CHECK (missing >= 0), -- of those, how many are not complete
    ADD CHECK (missing = 0 OR state IN ('QUEUED', 'FAILED', 'CANCELLED')),
    ADD CHECK (missing = 0 OR price = 0);
CREATE INDEX units_ready ON units (job_id, place) WHERE state = 'QUEUED' AND missing = 0;
CREATE INDEX units_feeding ON units (job_id, feeds) WHERE feeds IS NOT NULL;

-- Units with what their jobs say about them, as they are scheduled; of one that is made of others, those.
CREATE VIEW work AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state, u.attempt, u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at,
       u.lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units, j.priority, j.paused,
       j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing, u.ended_at,
       CASE WHEN u.tile IS NULL AND j.params ? '_tiles' THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts
FROM units u JOIN jobs j ON j.id = u.job_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON work TO rendertrust_app;
    END IF;
END $$;
