-- Jobs: uploads, jobs and their units, attempts at units, and the objects that belong to them.

-- ── uploads ─────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE uploads (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users,
    sha256       bytea NOT NULL CHECK (octet_length(sha256) = 32),
    size         bigint NOT NULL CHECK (size > 0),
    filename     text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255),
    object_key   text NOT NULL,
    completed_at timestamptz,                     -- null: announced, but not found in the object store yet
    created_at   timestamptz NOT NULL DEFAULT now(),
    used_at      timestamptz NOT NULL DEFAULT now(), -- when it was last announced, or part of a job; accurate to a day
    expired_at   timestamptz                      -- the object is being deleted, then the row
);
CREATE UNIQUE INDEX uploads_user_content ON uploads (user_id, sha256); -- a user uploads the same content once
CREATE INDEX uploads_used ON uploads (used_at); -- for the sweep

-- Multipart uploads that have not ended.
CREATE TABLE multiparts (
    upload_id  uuid PRIMARY KEY REFERENCES uploads,
    store_id   text NOT NULL,                     -- the object store's id of the upload
    object_key text NOT NULL,                     -- key of the finished object
    asked_at   timestamptz NOT NULL               -- when a part was last granted
);
CREATE INDEX multiparts_asked ON multiparts (asked_at); -- abandoned ones are aborted

-- Uploads that a stored manifest lists.
CREATE TABLE manifest_files (
    manifest_key text NOT NULL,
    upload_id    uuid NOT NULL,                   -- may remain after the upload was deleted
    PRIMARY KEY (manifest_key, upload_id)
);
CREATE INDEX manifest_files_upload ON manifest_files (upload_id);

-- Results of preflights, for each user and content the newest few.
CREATE TABLE preflights (
    user_id     uuid NOT NULL REFERENCES users,   -- others must not learn what the scene is
    content     bytea NOT NULL CHECK (octet_length(content) = 32), -- SHA-256 of the scene, or of its manifest
    number      integer NOT NULL DEFAULT 1 CHECK (number > 0), -- counts the preflights of a user's content
    -- the preflight's job; no foreign key, as it is inserted after this row
    job_id      uuid NOT NULL,
    asked_at    timestamptz NOT NULL,
    first_frame integer,                          -- the first and last frame of the request; null: it named none
    last_frame  integer,
    facts       jsonb,                            -- null: no result yet
    PRIMARY KEY (user_id, content, number),
    CHECK ((first_frame IS NULL) = (last_frame IS NULL))
);
CREATE INDEX preflights_asked ON preflights (user_id, asked_at); -- for the limit per user
CREATE INDEX preflights_old ON preflights (asked_at);            -- for the sweep

-- ── jobs ────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users,
    -- for people; its owner may change it
    name            text NOT NULL DEFAULT 'job' CHECK (char_length(name) BETWEEN 1 AND 100),
    job_type        text NOT NULL CHECK (char_length(job_type) BETWEEN 1 AND 100),
    payload_ref     text NOT NULL CHECK (char_length(payload_ref) BETWEEN 1 AND 500),
    -- the JobPlan: what was ordered and found, except for the columns below
    plan            jsonb NOT NULL DEFAULT '{}',
    status          text NOT NULL CHECK (status IN (
                        'QUEUED',       -- no unit was ever assigned
                        'DISPATCHED',   -- a unit is assigned, none runs yet
                        'RUNNING',      -- a unit runs or ran, and work remains
                        'PAUSED',       -- see `paused`
                        'COMPLETED',    -- all units complete
                        'FAILED',       -- no unit can make progress any more
                        'CANCELLED')),
    node_id         uuid REFERENCES nodes,        -- of the newest assignment
    retry_count     integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0), -- sum over all units
    retry_of        uuid REFERENCES jobs,         -- the job that this one retries, with its own hold and price
    priority        smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -1 AND 1),
    avoid           uuid[] NOT NULL DEFAULT '{}', -- nodes that failed a unit of this job
    -- the most graphics memory that its units took on cards, in bytes, as nodes measured it
    vram_used       bigint NOT NULL DEFAULT 0 CHECK (vram_used >= 0),
    paused          text CHECK (paused IN (
                        'owner',      -- its owner paused it
                        'cap',        -- its next unit would exceed the cap
                        'stopped')),  -- its owner stopped it; earlier deliveries are being checked
    reached         text NOT NULL DEFAULT 'QUEUED' -- the status to return to when resumed
                    CHECK (reached IN ('QUEUED', 'DISPATCHED', 'RUNNING')),
    -- Counts of units, so that changing one of a thousand units does not read the others.
    units           integer NOT NULL DEFAULT 1 CHECK (units > 0),
    open_units      integer NOT NULL DEFAULT 0 CHECK (open_units >= 0),
    failed_units    integer NOT NULL DEFAULT 0 CHECK (failed_units >= 0),
    cancelled_units integer NOT NULL DEFAULT 0 CHECK (cancelled_units >= 0),
    -- error of the unit that failed most recently; shown if the job failed
    unit_error      text,
    -- Money. The price is held when the job is submitted, and never changes.
    price           bigint NOT NULL CHECK (price >= 0),
    -- row of `prices`; no foreign key, as every new job would lock that row
    price_number    bigint,
    cap             bigint CHECK (cap >= 0),      -- the most that the job may cost; null: its price
    committed       bigint NOT NULL DEFAULT 0 CHECK (committed >= 0), -- price of units that are at work or complete
    charged         bigint NOT NULL DEFAULT 0 CHECK (charged >= 0),   -- price of complete units
    result_ref      text,
    error_message   text,
    created_at      timestamptz NOT NULL,
    queued_at       timestamptz NOT NULL,
    dispatched_at   timestamptz,
    completed_at    timestamptz,                  -- when the job ended, with any outcome
    updated_at      timestamptz NOT NULL,
    -- The last transaction that changed the row: incremental audits read on from a snapshot by this column.
    touched         bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    CHECK ((status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (completed_at IS NOT NULL)),
    CHECK ((open_units = 0) = (completed_at IS NOT NULL)),
    CONSTRAINT jobs_paused CHECK ((status = 'PAUSED') = (paused IS NOT NULL)),
    CONSTRAINT jobs_cap CHECK (cap IS NULL OR committed <= cap)
);
CREATE INDEX jobs_user ON jobs (user_id, created_at DESC, id DESC);
CREATE INDEX jobs_user_status ON jobs (user_id, status, created_at DESC, id DESC);
CREATE INDEX jobs_created ON jobs (created_at DESC, id DESC); -- the console lists jobs of all users
CREATE INDEX jobs_open ON jobs (queued_at, id) WHERE completed_at IS NULL; -- the scheduler reads open jobs only
CREATE INDEX jobs_completed ON jobs (completed_at DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (completed_at DESC) WHERE status = 'FAILED'; -- for dead letters
CREATE INDEX jobs_again ON jobs ((plan ->> 'again_of'), created_at) WHERE plan ->> 'again_of' IS NOT NULL;
CREATE INDEX jobs_to_film ON jobs (completed_at) WHERE status = 'COMPLETED' AND plan #>> '{spec,video}' IS NOT NULL;
CREATE UNIQUE INDEX jobs_retry_of ON jobs (retry_of) WHERE retry_of IS NOT NULL; -- at most one retry of each job
CREATE INDEX jobs_films ON jobs ((plan #>> '{inputs,frames_of}'), created_at) WHERE job_type = 'video';
-- deleting a node searches the rows that refer to it
CREATE INDEX jobs_node ON jobs (node_id) WHERE node_id IS NOT NULL;
CREATE INDEX jobs_touched ON jobs USING brin (touched) WITH (pages_per_range = 16, autosummarize = on);

-- Units: what one node works on at a time. A frame, a chunk of frames, a tile, or a frame assembled from tiles.
CREATE TABLE units (
    -- no foreign key: the statement that inserts a unit inserts its job, jobs are never deleted, and fsck finds others
    job_id            uuid NOT NULL,
    number            integer NOT NULL CHECK (number >= 0),
    place             integer NOT NULL DEFAULT 0, -- position within the job
    frames            text CHECK (char_length(frames) <= 2000), -- null: those of the job's parameters
    tile              integer CHECK (tile >= 0),  -- number within the frame; null: not a tile
    feeds             integer,                    -- the unit that is assembled from this one and others
    missing           integer NOT NULL DEFAULT 0 CHECK (missing >= 0), -- number of input units that are not complete
    price             bigint NOT NULL CHECK (price >= 0),
    state             text NOT NULL CHECK (state IN (
                          'QUEUED',       -- waits for a node, at least until `not_before`
                          'DISPATCHED',   -- assigned; its message is under way to the node, or the node has queued it
                          'RUNNING',      -- the node has begun it, or reported progress
                          'VERIFYING',    -- delivered; waits for the verdict
                          'COMPLETED', 'FAILED', 'CANCELLED')),
    -- The current attempt. Its number is the fencing token: each is assigned once, and reports about any other number
    -- are ignored.
    attempt           integer NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- 0: never assigned
    node_id           uuid REFERENCES nodes,
    assigned_at       timestamptz,
    started_at        timestamptz,
    lease_until       timestamptz,                -- null until the unit was sent to the node
    ended_at          timestamptz,
    -- A speculative second attempt on another node, for a unit that takes far longer than others. The first valid
    -- result ends the other attempt. `copy_attempt` keeps the newest number, which no other attempt ever gets.
    copy_attempt      integer NOT NULL DEFAULT 0 CHECK (copy_attempt >= 0),
    copy_node_id      uuid REFERENCES nodes,      -- null: there is no second attempt
    copy_assigned_at  timestamptz,
    copy_started_at   timestamptz,
    copy_lease_until  timestamptz,
    copy_delivered_at timestamptz,                -- null: the second attempt is at work
    -- Retry policy.
    not_before        timestamptz,
    failures          integer NOT NULL DEFAULT 0 CHECK (failures >= 0), -- caused by nodes
    faults            integer NOT NULL DEFAULT 0 CHECK (faults >= 0),   -- caused neither by a node nor by the scene
    -- attempts that no node ever received; they are not retries
    unsent            integer NOT NULL DEFAULT 0 CHECK (unsent >= 0),
    avoid             uuid[] NOT NULL DEFAULT '{}', -- nodes that failed it; they do not get it again
    unsendable_to     uuid[] NOT NULL DEFAULT '{}', -- nodes whose connection could not take it, which is no failure
    needs_memory      bigint NOT NULL DEFAULT 0 CHECK (needs_memory >= 0), -- bytes; a node with less ran out of memory
    needs_opengl      boolean NOT NULL DEFAULT false,
    needs_vram        bigint NOT NULL DEFAULT 0 CHECK (needs_vram >= 0), -- bytes; a card with less ran out of memory
    needs_scripts     boolean NOT NULL DEFAULT false, -- a node with a card refused its script shaders
    -- Result.
    result_key        text,
    result_sha256     bytea CHECK (octet_length(result_sha256) = 32),
    result_size       bigint CHECK (result_size >= 0),
    verified          boolean NOT NULL DEFAULT false,
    error_class       text CHECK (error_class IN ('scene', 'node', 'network', 'gateway', 'verifier')),
    error_code        text CONSTRAINT units_error_code CHECK (error_code IN (
                          'underquoted', 'every_node', 'part_failed', 'parts_gone', 'invalid', 'lost', 'given_back',
                          'stalled', 'too_slow', 'no_node', 'unsendable', 'too_much_memory', 'reported')),
    error_message     text,
    PRIMARY KEY (job_id, number),
    CHECK ((state IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)),
    CONSTRAINT units_node_check CHECK (
        state NOT IN ('DISPATCHED', 'RUNNING', 'VERIFYING') OR (node_id IS NOT NULL AND attempt > 0)),
    CHECK (missing = 0 OR state IN ('QUEUED', 'FAILED', 'CANCELLED')),
    CHECK (missing = 0 OR price = 0),
    CONSTRAINT units_copied CHECK (copy_node_id IS NULL OR coalesce(
        state IN ('DISPATCHED', 'RUNNING', 'VERIFYING') AND copy_attempt > attempt AND copy_node_id <> node_id
        AND copy_assigned_at IS NOT NULL AND (copy_delivered_at IS NULL OR copy_started_at IS NOT NULL), false)),
    CONSTRAINT units_not_copied CHECK (copy_node_id IS NOT NULL OR coalesce(
        copy_assigned_at, copy_started_at, copy_lease_until, copy_delivered_at) IS NULL)
);
-- The scheduler and the lifeline read open units, which are few beside those that have ended.
CREATE INDEX units_open ON units (state, lease_until) WHERE ended_at IS NULL;
CREATE INDEX units_open_node ON units (node_id) WHERE ended_at IS NULL;
CREATE INDEX units_at_work ON units (job_id) WHERE coalesce(state IN ('DISPATCHED', 'RUNNING'), false);
CREATE INDEX units_ready ON units (job_id, place) WHERE state = 'QUEUED' AND missing = 0;
CREATE INDEX units_copies ON units (state) WHERE copy_node_id IS NOT NULL;
CREATE INDEX units_feeding ON units (job_id, feeds) WHERE feeds IS NOT NULL;
-- For what a node did lately. Deleting a node also searches the rows that refer to it.
CREATE INDEX units_node ON units (node_id, ended_at) WHERE node_id IS NOT NULL;
CREATE INDEX units_copy_node ON units (copy_node_id) WHERE copy_node_id IS NOT NULL;

-- Rows of jobs and units as the Ledger gives them to the statement that writes a batch. `seen` is the transaction that
-- wrote the row that was read, or null. The columns before `id` are those of new jobs alone.
CREATE TYPE written_job AS (
    name text, payload_ref text, price bigint, created_at timestamptz, price_number bigint, retry_of uuid, plan text,
    id uuid, user_id uuid, job_type text, status text, queued_at timestamptz, updated_at timestamptz, node_id uuid,
    retry_count integer, result_ref text, error_message text, dispatched_at timestamptz, completed_at timestamptz,
    open_units integer, failed_units integer, cancelled_units integer, unit_error text, units integer,
    priority smallint, cap bigint, committed bigint, charged bigint, paused text, reached text, vram_used bigint, avoid uuid[], seen xid
);
CREATE TYPE written_unit AS (
    job_id uuid, number integer, price bigint, place integer, frames text, tile integer, feeds integer,
    state text, attempt integer, node_id uuid, assigned_at timestamptz, lease_until timestamptz,
    not_before timestamptz, failures integer, avoid uuid[], result_key text, result_sha256 bytea, result_size bigint,
    verified boolean, error_class text, error_code text, error_message text, started_at timestamptz,
    ended_at timestamptz, missing integer, copy_attempt integer, copy_node_id uuid, copy_assigned_at timestamptz,
    copy_started_at timestamptz, copy_lease_until timestamptz, copy_delivered_at timestamptz, unsent integer,
    faults integer, needs_memory bigint, needs_opengl boolean, needs_vram bigint, needs_scripts boolean,
    unsendable_to uuid[], seen xid
);

-- When the first node began with a job: read from its first ten units, among which is the first one in every order.
CREATE FUNCTION job_begun_at(job uuid) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT min(coalesce(u.started_at, u.assigned_at))
    FROM (SELECT started_at, assigned_at FROM units WHERE job_id = job ORDER BY number LIMIT 10) u
$$;

-- Whether all that is left to do of a job are verdicts. PostgreSQL inlines it into the calling query.
CREATE FUNCTION job_is_verifying(job uuid, status text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT status = 'RUNNING'
       AND NOT EXISTS (SELECT FROM units w WHERE w.job_id = job
                       AND coalesce(w.state IN ('DISPATCHED', 'RUNNING'), false))
       AND NOT EXISTS (SELECT FROM units w WHERE w.job_id = job AND w.state = 'QUEUED' AND w.missing = 0)
$$;

-- The newest jobs that match a search; a null argument matches any. Each of the `words` must be a part of the job's
-- name, or the beginning of its id; only the newest 10,000 jobs are searched for words. PostgreSQL inlines it into the
-- calling query and plans both together.
CREATE FUNCTION jobs_found(owner uuid, statuses text[], types text[], but_types text[], words text[], node text,
                           person text, error text, since timestamptz, until timestamptz, beginning text, most integer)
RETURNS SETOF jobs LANGUAGE sql STABLE AS $$
    SELECT j.* FROM (
        SELECT * FROM jobs k WHERE owner IS NULL OR k.user_id = owner
        ORDER BY k.created_at DESC, k.id DESC LIMIT CASE WHEN words IS NOT NULL THEN 10000 END
    ) j
    WHERE (statuses IS NULL OR j.status = ANY(statuses))
      AND (types IS NULL OR j.job_type = ANY(types))
      AND (but_types IS NULL OR j.job_type <> ALL(but_types))
      AND (words IS NULL OR NOT EXISTS (
              SELECT FROM unnest(words) w
              WHERE strpos(lower(j.name), lower(w)) = 0 AND NOT starts_with(j.id::text, lower(w))))
      AND (node IS NULL OR j.node_id IN (
              SELECT n.id FROM nodes n
              WHERE strpos(lower(n.name), lower(node)) > 0 OR starts_with(n.id::text, lower(node))))
      AND (person IS NULL OR j.user_id IN (
              SELECT u.id FROM users u
              WHERE strpos(lower(u.email), lower(person)) > 0 OR starts_with(u.id::text, lower(person))))
      AND (error IS NULL OR strpos(lower(j.error_message), lower(error)) > 0)
      AND (since IS NULL OR j.created_at >= since)
      AND (until IS NULL OR j.created_at < until)
      AND (beginning IS NULL OR starts_with(j.id::text, lower(beginning)))
    ORDER BY j.created_at DESC, j.id DESC LIMIT most
$$;

-- ── views of units ──────────────────────────────────────────────────────────────────────────────

-- Units with their jobs' columns, as the scheduler needs them. `parts`: the results that a unit is assembled from.
CREATE VIEW work AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.plan, u.state, u.attempt,
       u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at, u.lease_until, j.queued_at, j.created_at,
       j.dispatched_at, j.units, j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds,
       u.missing, u.ended_at,
       CASE WHEN u.tile IS NULL AND j.units > 1 THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.started_at, u.copy_attempt AS copied, false AS is_copy, u.unsent, u.faults,
       u.copy_delivered_at IS NOT NULL AS answered, u.needs_memory, u.needs_opengl, u.needs_vram, u.needs_scripts,
       j.vram_used
FROM units u JOIN jobs j ON j.id = u.job_id;

-- The same columns for speculative attempts that are at work. The condition on `state` lets the planner use
-- units_copies even on a table that was never analysed.
CREATE VIEW work_copies AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.plan,
       CASE WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END AS state, u.copy_attempt AS attempt,
       u.copy_node_id AS node, u.avoid, u.failures, u.not_before, u.copy_assigned_at AS assigned_at,
       u.copy_lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units, j.priority, j.paused,
       j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing, u.ended_at,
       CASE WHEN u.tile IS NULL AND j.units > 1 THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.copy_started_at AS started_at, u.copy_attempt AS copied, true AS is_copy, u.unsent, u.faults,
       false AS answered, u.needs_memory, u.needs_opengl, u.needs_vram, u.needs_scripts, j.vram_used
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')
  AND u.copy_delivered_at IS NULL;

-- Attempts that are at a node; both attempts of a unit that has two.
CREATE VIEW at_nodes AS
SELECT u.job_id, u.number AS unit, u.attempt, u.state, u.node_id, u.assigned_at, u.started_at, u.lease_until
FROM units u WHERE u.ended_at IS NULL AND u.state <> 'QUEUED'
UNION ALL
SELECT u.job_id, u.number, u.copy_attempt,
       CASE WHEN u.copy_delivered_at IS NOT NULL THEN 'VERIFYING'
            WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END,
       u.copy_node_id, u.copy_assigned_at, u.copy_started_at, u.copy_lease_until
FROM units u WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING');

-- ── attempts ────────────────────────────────────────────────────────────────────────────────────

-- Attempts that ended without a result. Triggers write these rows; a unit's own row describes its newest attempt.
CREATE TABLE attempts (
    job_id      uuid NOT NULL,
    number      integer NOT NULL,                 -- of the unit
    attempt     integer NOT NULL CHECK (attempt > 0),
    node_id     uuid,
    assigned_at timestamptz,
    started_at  timestamptz,                      -- null: it never ran
    ended_at    timestamptz NOT NULL,
    error_class text,                             -- null: it did not fail
    error_code  text,
    error       text,
    PRIMARY KEY (job_id, number, attempt),
    FOREIGN KEY (job_id, number) REFERENCES units
);
CREATE INDEX attempts_ended ON attempts (ended_at); -- for the sweep
CREATE TRIGGER attempts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attempts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION note_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO attempts (job_id, number, attempt, node_id, assigned_at, started_at, ended_at,
                          error_class, error_code, error)
    VALUES (OLD.job_id, OLD.number, OLD.attempt, OLD.node_id, OLD.assigned_at,
            CASE WHEN OLD.started_at >= OLD.assigned_at THEN OLD.started_at END,
            coalesce(NEW.ended_at, now()), NEW.error_class, NEW.error_code, NEW.error_message)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER units_attempt_noted AFTER UPDATE OF state ON units
    FOR EACH ROW WHEN (OLD.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')
                       AND NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED'))
    EXECUTE FUNCTION note_attempt();

-- One of two attempts has ended, or both: record those without a result.
CREATE FUNCTION note_copy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost boolean := NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED');
    won  boolean := NEW.state = 'COMPLETED';
BEGIN
    INSERT INTO attempts (job_id, number, attempt, node_id, assigned_at, started_at, ended_at,
                          error_class, error_code, error)
    SELECT OLD.job_id, OLD.number, a.attempt, a.node_id, a.assigned_at,
           CASE WHEN a.started_at >= a.assigned_at THEN a.started_at END,
           coalesce(NEW.ended_at, now()),
           CASE WHEN NOT won THEN NEW.error_class END,
           CASE WHEN NOT won THEN NEW.error_code END,
           CASE WHEN won THEN 'another node was faster' ELSE NEW.error_message END
    FROM (VALUES (OLD.attempt, OLD.node_id, OLD.assigned_at, OLD.started_at),
                 (OLD.copy_attempt, OLD.copy_node_id, OLD.copy_assigned_at, OLD.copy_started_at))
         AS a (attempt, node_id, assigned_at, started_at)
    WHERE lost OR a.attempt <> NEW.attempt
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER units_copy_noted AFTER UPDATE OF copy_node_id ON units
    FOR EACH ROW WHEN (OLD.copy_node_id IS NOT NULL AND NEW.copy_node_id IS NULL)
    EXECUTE FUNCTION note_copy();

-- The last log lines of some attempts of each job, kept as long as the job's results.
CREATE TABLE attempt_logs (
    job_id    uuid NOT NULL,
    unit      integer NOT NULL,
    attempt   integer NOT NULL CHECK (attempt > 0),
    node_id   uuid NOT NULL,
    lines     text NOT NULL CHECK (char_length(lines) BETWEEN 1 AND 16000),
    completed boolean NOT NULL DEFAULT false,     -- the attempt succeeded; fewer lines are kept
    said_at   timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);

-- Attempts that took over three times the quoted work. Overruns on nodes of three owners show that the quote was too
-- low, and the scene needs a new one.
CREATE TABLE overruns (
    job_id   uuid NOT NULL,
    unit     integer NOT NULL,
    attempt  integer NOT NULL CHECK (attempt > 0),
    node_id  uuid NOT NULL REFERENCES nodes,
    owner_id uuid REFERENCES users,               -- at that time; null: the node had no owner
    percent  integer NOT NULL CHECK (percent > 100), -- of the quoted work
    at       timestamptz NOT NULL,
    PRIMARY KEY (job_id, unit, attempt),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX overruns_node ON overruns (node_id); -- deleting a node searches the rows that refer to it

-- ── objects of units ────────────────────────────────────────────────────────────────────────────

-- Multipart uploads of results that have not ended.
CREATE TABLE result_multiparts (
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    attempt    integer NOT NULL CHECK (attempt > 0),
    what       text NOT NULL CHECK (what IN ('result', 'evidence')),
    store_id   text NOT NULL,                     -- the object store's id of the upload; nodes do not learn it
    object_key text NOT NULL,                     -- key of the finished object
    size       bigint NOT NULL CHECK (size > 0),  -- as the node announced it
    asked_at   timestamptz NOT NULL,              -- when a part was last granted
    PRIMARY KEY (job_id, unit, attempt, what),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX result_multiparts_asked ON result_multiparts (asked_at); -- abandoned ones are aborted

-- The newest thumbnail of each frame.
CREATE TABLE thumbnails (
    job_id  uuid NOT NULL,
    unit    integer NOT NULL,
    frame   integer NOT NULL,
    attempt integer NOT NULL,
    picture bytea NOT NULL CHECK (octet_length(picture) BETWEEN 4 AND 36864), -- JPEG, as the node sent it
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, frame, unit)
);
CREATE INDEX thumbnails_newest ON thumbnails (job_id, made_at DESC, frame DESC);

-- Store a thumbnail if this node has the unit at this attempt. Locking the job's row puts its events in order:
-- statements after the lock see what its previous holder committed.
CREATE FUNCTION keep_thumbnail(its_job uuid, its_unit integer, its_attempt integer, its_node uuid,
                               its_frame integer, its_picture bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM jobs WHERE id = its_job FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM at_nodes WHERE job_id = its_job AND unit = its_unit AND attempt = its_attempt
                   AND node_id = its_node AND state IN ('DISPATCHED', 'RUNNING')) THEN
        RETURN false;
    END IF;
    INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)
    VALUES (its_job, its_unit, its_frame, its_attempt, its_picture)
    ON CONFLICT (job_id, frame, unit) DO UPDATE
    SET attempt = its_attempt, picture = its_picture, made_at = now();
    RETURN true;
END $$;

-- Named sets of parameters of jobs, which a user chooses in the form for a new job.
CREATE TABLE presets (
    user_id  uuid NOT NULL REFERENCES users,
    name     text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    fields   jsonb NOT NULL CHECK (octet_length(fields::text) <= 8000), -- of the form, by name
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, name)
);

-- Results that have expired. Their receipts stay.
CREATE TABLE expired_results (
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    expired_at timestamptz NOT NULL,
    removed_at timestamptz,                       -- null: its object is yet to be removed
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number)
);
CREATE INDEX expired_results_left ON expired_results (expired_at) WHERE removed_at IS NULL;

-- Attempts whose objects were removed: refused or late results are kept as long as valid ones.
CREATE TABLE removed_attempts (
    job_id     uuid NOT NULL,
    number     integer NOT NULL,
    attempt    integer NOT NULL,
    removed_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, number, attempt),
    FOREIGN KEY (job_id, number, attempt) REFERENCES attempts
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON work, work_copies, at_nodes TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON jobs, units, expired_results TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON uploads, multiparts, preflights, presets, result_multiparts, thumbnails TO rendertrust_app;
        GRANT SELECT, INSERT, DELETE ON attempt_logs TO rendertrust_app;
        GRANT SELECT, INSERT ON manifest_files, attempts, overruns, removed_attempts TO rendertrust_app;
    END IF;
END $$;
