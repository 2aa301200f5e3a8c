-- Events of jobs, for followers; webhooks; and discarded dead letters.

-- Triggers write these rows in the transaction of the change, so that the list is complete. There is no foreign key,
-- as only triggers insert rows and jobs are never deleted.
CREATE TABLE job_events (
    job_id      uuid NOT NULL,
    number      integer NOT NULL CHECK (number > 0), -- 1, 2, 3 … per job, without gaps
    at          timestamptz NOT NULL DEFAULT now(),
    unit        integer,                          -- null: the event is about the job
    state       text NOT NULL,                    -- the new status of the job, or the new state of the unit
    attempt     integer,                          -- of a unit: its number; of a job that ended: how often it has ended
    node_id     uuid,                             -- the node that has, had or lost the unit
    money       text CHECK (money IN (
                    'held',       -- held for the job, or held again for a unit that is retried
                    'charged',    -- for a complete unit
                    'released')), -- the unit failed, was cancelled, or became free of charge
    amount      bigint CHECK (amount > 0),
    frame       integer,                          -- frame of a new thumbnail
    error_class text,
    error_code  text,
    error       text,
    PRIMARY KEY (job_id, number),
    CHECK ((money IS NULL) = (amount IS NULL))
);

-- Return the public name of an event.
CREATE FUNCTION event_type(unit integer, state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN unit IS NULL THEN 'job.' || lower(state)
                WHEN state = 'DISPATCHED' THEN 'unit.assigned'
                WHEN state = 'QUEUED' THEN 'unit.retried' -- a unit's first event is always a later state
                ELSE 'unit.' || lower(state) END
$$;

-- Numbers continue from the job's last event. Each change of a job or unit has locked the job's row, so no other
-- transaction numbers its events at that time. Triggers run once per statement, as a batch changes many rows. Nested
-- loops are off: plans are made for few rows, and two lists of thousands must not be compared row by row.
CREATE FUNCTION note_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT n.job_id, n.number, n.state, n.attempt, n.node_id, n.error_class, n.error_code,
               CASE WHEN n.state = 'COMPLETED' AND n.price = 0 THEN o.price ELSE n.price END AS price,
               n.price = 0 AS is_free,
               left(n.error_message, 500) AS error, o.attempt AS attempts_before,
               o.state IN ('FAILED', 'CANCELLED') AS was_over,
               o.state <> n.state OR o.attempt <> n.attempt AS moved,
               CASE WHEN n.copy_node_id IS NOT NULL AND n.copy_attempt <> o.copy_attempt
                    THEN n.copy_attempt END AS copied, n.copy_node_id,
               coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.job_id
                         ORDER BY e.number DESC LIMIT 1), 0) AS last
        FROM is_now n JOIN was o ON o.job_id = n.job_id AND o.number = n.number
        WHERE o.state <> n.state OR o.attempt <> n.attempt OR o.copy_attempt <> n.copy_attempt
    )
    -- A unit that is retried was queued and its price held again first, even if the same batch has advanced it further:
    -- no step that moves money is left out. `last` is read once per unit: a later query would see the rows that this
    -- statement writes.
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error_code, error)
    SELECT c.job_id,
           c.last + row_number() OVER (PARTITION BY c.job_id ORDER BY c.number, t.step),
           c.number, t.state, t.attempt, t.node_id, t.money, CASE WHEN t.money IS NOT NULL THEN c.price END,
           CASE WHEN t.step = 1 THEN c.error_class END, CASE WHEN t.step = 1 THEN c.error_code END,
           CASE WHEN t.step = 1 THEN c.error END
    FROM changed c
    CROSS JOIN LATERAL (VALUES
        (0, moved AND was_over, 'QUEUED', attempts_before, NULL::uuid, CASE WHEN price > 0 THEN 'held' END),
        (1, moved AND NOT (was_over AND c.state = 'QUEUED'), c.state, c.attempt, c.node_id,
            CASE WHEN price = 0 THEN NULL
                 WHEN c.state = 'COMPLETED' AND NOT is_free THEN 'charged'
                 WHEN c.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released' END),
        (2, copied IS NOT NULL, 'COPIED', copied, copy_node_id, NULL)
    ) t (step, is_told, state, attempt, node_id, money)
    WHERE t.is_told;
    RETURN NULL;
END $$;
CREATE TRIGGER units_noted AFTER UPDATE ON units
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_units();

-- A new unit has an event only if the batch that created it has also advanced it; otherwise the job's event suffices.
CREATE FUNCTION note_new_units() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error_code, error)
    SELECT n.job_id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.job_id
                     ORDER BY e.number DESC LIMIT 1), 0)
           + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number),
           n.number, n.state, n.attempt, n.node_id,
           CASE WHEN n.amount = 0 THEN NULL
                WHEN n.state = 'COMPLETED' AND n.price > 0 THEN 'charged'
                WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN 'released' END,
           CASE WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN nullif(n.amount, 0) END,
           n.error_class, n.error_code, left(n.error_message, 500)
    FROM (SELECT i.*,
                 CASE WHEN i.state = 'COMPLETED' AND i.price = 0
                      THEN coalesce((SELECT h.amount FROM holds h
                                     WHERE h.reference = 'job:' || i.job_id || ':' || i.number), 0)
                      ELSE i.price END AS amount
          FROM is_now i WHERE i.state <> 'QUEUED' OR i.attempt > 0) n;
    RETURN NULL;
END $$;
CREATE TRIGGER new_units_noted AFTER INSERT ON units
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_units();

-- Mails about the end of a job, or about a pause at its cap, to its owner. Nobody reads of preflights. `notify`: the mails
-- that the job asks for, 'all', 'failure' or 'none'; null: those that the owner has not switched off.
CREATE FUNCTION mail_of_job(status text, paused text, notify text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN notify = 'none' OR notify = 'failure' AND status = 'COMPLETED' THEN NULL
                WHEN status = 'COMPLETED' THEN 'job.completed' WHEN status = 'FAILED' THEN 'job.failed'
                WHEN paused = 'cap' THEN 'job.paused' END
$$;

-- A job ends again after a failed unit was retried: `attempt` counts its ends, so that followers can tell them apart.
CREATE FUNCTION note_jobs() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO job_events (job_id, number, state, attempt, node_id, error)
    SELECT n.id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.id
                     ORDER BY e.number DESC LIMIT 1), 0) + 1,
           n.status,
           CASE WHEN n.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
                THEN 1 + coalesce((SELECT max(coalesce(e.attempt, 1)) FROM job_events e
                                   WHERE e.job_id = n.id AND e.unit IS NULL
                                     AND e.state IN ('COMPLETED', 'FAILED', 'CANCELLED')), 0) END,
           n.node_id, left(n.error_message, 500)
    FROM is_now n JOIN was o ON o.id = n.id
    WHERE o.status <> n.status;
    IF FOUND THEN
        PERFORM insert_notices(array_agg(f.kind), array_agg(f.user_id), array_agg(f.id), array_agg(f.notify IS NOT NULL))
        FROM (SELECT n.id, n.user_id, n.plan -> 'spec' ->> 'notify' AS notify,
                     mail_of_job(n.status, n.paused, n.plan -> 'spec' ->> 'notify') AS kind
              FROM is_now n JOIN was o ON o.id = n.id
              WHERE o.status <> n.status AND split_part(n.job_type, ':', 1) <> 'preflight'
                AND n.status IN ('COMPLETED', 'FAILED', 'PAUSED')) f
        WHERE f.kind IS NOT NULL
        HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_noted AFTER UPDATE ON jobs
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_jobs();

CREATE FUNCTION note_new_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, state, node_id, money, amount)
    SELECT n.id, 1, n.status, n.node_id,
           CASE WHEN n.price > 0 THEN 'held' END, nullif(n.price, 0)
    FROM is_now n;
    -- the batch that created a job may also have ended or paused it
    PERFORM insert_notices(array_agg(f.kind), array_agg(f.user_id), array_agg(f.id), array_agg(f.notify IS NOT NULL))
    FROM (SELECT n.id, n.user_id, n.plan -> 'spec' ->> 'notify' AS notify,
                 mail_of_job(n.status, n.paused, n.plan -> 'spec' ->> 'notify') AS kind
          FROM is_now n
          WHERE n.status IN ('COMPLETED', 'FAILED', 'PAUSED') AND split_part(n.job_type, ':', 1) <> 'preflight') f
    WHERE f.kind IS NOT NULL
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER new_jobs_noted AFTER INSERT ON jobs
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_jobs();

CREATE FUNCTION note_thumbnails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, frame)
    SELECT n.job_id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.job_id
                     ORDER BY e.number DESC LIMIT 1), 0)
           + row_number() OVER (PARTITION BY n.job_id ORDER BY n.unit, n.frame),
           n.unit, 'THUMBNAIL', n.attempt,
           CASE WHEN n.attempt = u.copy_attempt THEN coalesce(u.copy_node_id, u.node_id) ELSE u.node_id END,
           n.frame
    FROM is_now n JOIN units u ON u.job_id = n.job_id AND u.number = n.unit;
    RETURN NULL;
END $$;
CREATE TRIGGER thumbnails_noted AFTER INSERT ON thumbnails
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_thumbnails();
CREATE TRIGGER new_thumbnails_noted AFTER UPDATE ON thumbnails
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_thumbnails();

-- ── webhooks ────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE endpoints (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users,
    url             text NOT NULL CHECK (char_length(url) BETWEEN 1 AND 2000),
    -- 'job.*' and 'unit.*' stand for all types of a kind
    types           text[] NOT NULL CHECK (cardinality(types) BETWEEN 1 AND 50),
    secret          bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
    former_secret   bytea,                        -- also signs until `former_until`
    former_until    timestamptz,
    failing_since   timestamptz,                  -- null: the last delivery succeeded, or there was none
    not_before      timestamptz NOT NULL DEFAULT '-infinity', -- pause after a failure
    disabled_at     timestamptz,                  -- nothing is sent from then on
    disabled_reason text,
    created_at      timestamptz NOT NULL,
    CHECK ((former_secret IS NULL) = (former_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX endpoints_user ON endpoints (user_id, created_at);
CREATE INDEX endpoints_living ON endpoints (id) WHERE disabled_at IS NULL; -- each batch asks whether there are any

-- `endpoint_id` is no foreign key: deleting an endpoint with a hundred thousand deliveries must not block a ledger
-- batch that has an event for it.
CREATE TABLE deliveries (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- the same for each try, and for a replay
    endpoint_id uuid NOT NULL,
    job_id      uuid NOT NULL,
    number      integer NOT NULL,                 -- number of the event
    type        text NOT NULL,
    state       text NOT NULL DEFAULT 'PENDING' CHECK (state IN (
                    'PENDING',                    -- to be sent at `due_at`; a gateway that claims it moves that time
                    'DELIVERED',                  -- answered with 2xx
                    'FAILED')),                   -- given up; can be replayed
    tries       integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    answers     jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(answers) = 'array'), -- [{at, status, error}, …]
    due_at      timestamptz NOT NULL DEFAULT now(),
    tried_at    timestamptz,
    status      integer,                          -- of the last answer
    error       text,                             -- why there was no answer
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    CHECK ((state = 'PENDING') = (ended_at IS NULL))
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE state = 'PENDING';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX deliveries_created ON deliveries (created_at); -- for the sweep
CREATE INDEX deliveries_failed ON deliveries (ended_at DESC) WHERE state = 'FAILED'; -- for dead letters

-- A delivery is inserted with its event, in one transaction. A job may name the only endpoint that gets its events, or
-- 'none'. The events of a check of a scene go to no endpoint.
CREATE FUNCTION note_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM endpoints WHERE disabled_at IS NULL) THEN
        RETURN NULL;
    END IF;
    INSERT INTO deliveries (endpoint_id, job_id, number, type)
    SELECT p.id, n.job_id, n.number, event_type(n.unit, n.state)
    FROM is_now n JOIN jobs j ON j.id = n.job_id JOIN endpoints p ON p.user_id = j.user_id
    WHERE p.disabled_at IS NULL
      AND p.types && ARRAY[event_type(n.unit, n.state),
                           CASE WHEN n.unit IS NULL THEN 'job.*' ELSE 'unit.*' END]
      AND p.id::text = coalesce(j.plan -> 'spec' ->> 'webhook', p.id::text)
      AND split_part(j.job_type, ':', 1) <> 'preflight';
    RETURN NULL;
END $$;
CREATE TRIGGER events_delivered AFTER INSERT ON job_events
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_deliveries();

-- Dead letters that an admin discarded. The rows that they refer to stay.
CREATE TABLE discards (
    kind   text NOT NULL CHECK (kind IN ('job', 'event', 'webhook')),
    id     text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 200),
    by     uuid NOT NULL REFERENCES users,
    reason text NOT NULL CHECK (char_length(reason) <= 500),
    at     timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TRIGGER discards_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discards
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, DELETE ON job_events TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON endpoints, deliveries TO rendertrust_app;
        GRANT SELECT, INSERT ON discards TO rendertrust_app; -- append-only
    END IF;
END $$;
