-- What happens to a job, event by event, for those who follow it.

-- Written by triggers, in the transaction of the change itself: what is there happened, and what
-- happened is there. No foreign key: nothing but the triggers inserts, and of jobs none is deleted.
CREATE TABLE job_events (
    job_id      uuid NOT NULL,
    number      integer NOT NULL CHECK (number > 0), -- 1, 2, 3 … per job, without a hole
    at          timestamptz NOT NULL DEFAULT now(),
    unit        integer,                          -- null: it is about the job itself
    state       text NOT NULL,                    -- what the job's status or the unit's state became
    attempt     integer,                          -- of the unit
    node_id     uuid,                             -- who has it, had it or lost it
    money       text CHECK (money IN (
                    'held',       -- set aside for the job, or anew for a unit that is tried again
                    'charged',    -- for a unit that is complete
                    'released')), -- given back: the unit failed, or was cancelled
    amount      bigint CHECK (amount > 0),
    error_class text,
    error       text,
    PRIMARY KEY (job_id, number),
    CHECK ((money IS NULL) = (amount IS NULL))
);

-- What such an event is called.
CREATE FUNCTION event_type(unit integer, state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN unit IS NULL THEN 'job.' || lower(state)
                WHEN state = 'DISPATCHED' THEN 'unit.assigned'
                WHEN state = 'QUEUED' THEN 'unit.retried' -- it never is by a first one
                ELSE 'unit.' || lower(state) END
$$;

-- The numbers go on from the last one. Whoever changes a job or a unit has locked the job's row, so
-- nobody else gives out numbers of it meanwhile. Once for a whole statement, as a batch changes many
-- rows; two lists of thousands must not be compared line by line, whatever was planned for a few.
CREATE FUNCTION note_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT n.job_id, n.number, n.state, n.attempt, n.node_id, n.price, n.error_class,
               left(n.error_message, 500) AS error, o.attempt AS attempts_before,
               o.state IN ('FAILED', 'CANCELLED') AS was_over
        FROM is_now n JOIN was o ON o.job_id = n.job_id AND o.number = n.number
        WHERE o.state <> n.state OR o.attempt <> n.attempt
    ), told AS MATERIALIZED (
        -- Tried again it waited first, and its price was held anew, also where the same batch has
        -- brought it further: no step that moves money is left out.
        SELECT job_id, number, 0 AS step, 'QUEUED' AS state, attempts_before AS attempt,
               NULL::uuid AS node_id, price, NULL AS error_class, NULL AS error
        FROM changed WHERE was_over
        UNION ALL
        SELECT job_id, number, 1, state, attempt, node_id, price, error_class, error
        FROM changed WHERE NOT (was_over AND state = 'QUEUED')
    ), last AS MATERIALIZED ( -- once for a job: whoever looks later finds what is being written here
        SELECT j.job_id, coalesce((SELECT e.number FROM job_events e WHERE e.job_id = j.job_id
                                   ORDER BY e.number DESC LIMIT 1), 0) AS number
        FROM (SELECT DISTINCT job_id FROM told) j
    )
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error)
    SELECT n.job_id,
           l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number, n.step),
           n.number, n.state, n.attempt, n.node_id, m.money,
           CASE WHEN m.money IS NOT NULL THEN n.price END, n.error_class, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id
    CROSS JOIN LATERAL (SELECT CASE WHEN n.price = 0 THEN NULL
                                    WHEN n.step = 0 THEN 'held'
                                    WHEN n.state = 'COMPLETED' THEN 'charged'
                                    WHEN n.state IN ('FAILED', 'CANCELLED') THEN 'released'
                               END AS money) m;
    RETURN NULL;
END $$;
-- A new unit that waits is no news: its job says so. One that has come further at once is.
CREATE FUNCTION note_new_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH told AS MATERIALIZED (
        SELECT job_id, number, state, attempt, node_id, price, error_class,
               left(error_message, 500) AS error
        FROM is_now WHERE state <> 'QUEUED' OR attempt > 0
    ), last AS MATERIALIZED (
        SELECT j.job_id, coalesce((SELECT e.number FROM job_events e WHERE e.job_id = j.job_id
                                   ORDER BY e.number DESC LIMIT 1), 0) AS number
        FROM (SELECT DISTINCT job_id FROM told) j
    )
    INSERT INTO job_events (job_id, number, unit, state, attempt, node_id, money, amount,
                            error_class, error)
    SELECT n.job_id, l.number + row_number() OVER (PARTITION BY n.job_id ORDER BY n.number),
           n.number, n.state, n.attempt, n.node_id,
           CASE WHEN n.price = 0 THEN NULL
                WHEN n.state = 'COMPLETED' THEN 'charged'
                WHEN n.state IN ('FAILED', 'CANCELLED') THEN 'released' END,
           CASE WHEN n.state IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN nullif(n.price, 0) END,
           n.error_class, n.error
    FROM told n JOIN last l ON l.job_id = n.job_id;
    RETURN NULL;
END $$;
CREATE FUNCTION note_jobs() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO job_events (job_id, number, state, node_id, error)
    SELECT n.id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.id
                     ORDER BY e.number DESC LIMIT 1), 0) + 1,
           n.status, n.node_id, left(n.error_message, 500)
    FROM is_now n JOIN was o ON o.id = n.id
    WHERE o.status <> n.status;
    RETURN NULL;
END $$;
CREATE FUNCTION note_new_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, number, state, node_id, money, amount)
    SELECT n.id,
           coalesce((SELECT e.number FROM job_events e WHERE e.job_id = n.id
                     ORDER BY e.number DESC LIMIT 1), 0) + 1,
           n.status, n.node_id,
           CASE WHEN n.price > 0 THEN 'held' END, nullif(n.price, 0)
    FROM is_now n;
    RETURN NULL;
END $$;
CREATE TRIGGER units_noted AFTER UPDATE ON units
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_units();
CREATE TRIGGER new_units_noted AFTER INSERT ON units
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_units();
CREATE TRIGGER jobs_noted AFTER UPDATE ON jobs
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_jobs();
CREATE TRIGGER new_jobs_noted AFTER INSERT ON jobs
    REFERENCING NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_jobs();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, DELETE ON job_events TO rendertrust_app;
    END IF;
END $$;
