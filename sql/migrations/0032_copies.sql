-- A unit that takes far longer than the others of its job is tried on a second node, too.

-- Both attempts are the unit's; whichever is complete first is the one that counts, and then the other is
-- nothing. ``copy_attempt`` keeps the newest number that was given so: no other attempt has it, ever.
ALTER TABLE units
    ADD COLUMN copy_attempt     integer NOT NULL DEFAULT 0 CHECK (copy_attempt >= 0),
    ADD COLUMN copy_node_id     uuid REFERENCES nodes, -- null: no copy is at work
    ADD COLUMN copy_assigned_at timestamptz,
    ADD COLUMN copy_started_at  timestamptz,
    ADD COLUMN copy_lease_until timestamptz,
    ADD CONSTRAINT units_copied CHECK (copy_node_id IS NULL OR coalesce(
        state IN ('DISPATCHED', 'RUNNING') AND copy_attempt > attempt AND copy_node_id <> node_id
        AND copy_assigned_at IS NOT NULL, false)),
    ADD CONSTRAINT units_not_copied CHECK (copy_node_id IS NOT NULL OR coalesce(
        copy_assigned_at, copy_started_at, copy_lease_until) IS NULL);
CREATE INDEX units_copies ON units (state) WHERE copy_node_id IS NOT NULL;

CREATE OR REPLACE VIEW work AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state AS state, u.attempt AS attempt, u.node_id AS node, u.avoid, u.failures, u.not_before,
       u.assigned_at AS assigned_at, u.lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units,
       j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing,
       u.ended_at,
       CASE WHEN u.tile IS NULL AND j.params ? '_tiles' THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.started_at AS started_at, u.copy_attempt AS copied, false AS is_copy
FROM units u JOIN jobs j ON j.id = u.job_id;

-- The same of attempts beside another one. By its state, lest a table that was never analysed, in which
-- columns are taken to be full, is read whole to find that there are none.
CREATE VIEW work_copies AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       CASE WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END AS state, u.copy_attempt AS attempt, u.copy_node_id AS node, u.avoid, u.failures, u.not_before,
       u.copy_assigned_at AS assigned_at, u.copy_lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units,
       j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing,
       u.ended_at,
       CASE WHEN u.tile IS NULL AND j.params ? '_tiles' THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.copy_started_at AS started_at, u.copy_attempt AS copied, true AS is_copy
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING');

-- Of two attempts one is over, or both are: what came to nothing is written down like any other.
CREATE FUNCTION note_copy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost boolean := NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED');
    won  boolean := NEW.state IN ('VERIFYING', 'COMPLETED');
BEGIN
    INSERT INTO attempts (job_id, number, attempt, node_id, assigned_at, started_at, ended_at,
                          error_class, error)
    SELECT OLD.job_id, OLD.number, a.attempt, a.node_id, a.assigned_at,
           CASE WHEN a.started_at >= a.assigned_at THEN a.started_at END,
           coalesce(NEW.ended_at, now()),
           CASE WHEN NOT won THEN NEW.error_class END,
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

-- That a unit is copied is told: its own state does not change by it.
CREATE OR REPLACE FUNCTION note_units() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT n.job_id, n.number, n.state, n.attempt, n.node_id, n.price, n.error_class,
               left(n.error_message, 500) AS error, o.attempt AS attempts_before,
               o.state IN ('FAILED', 'CANCELLED') AS was_over,
               o.state <> n.state OR o.attempt <> n.attempt AS moved,
               CASE WHEN n.copy_node_id IS NOT NULL AND n.copy_attempt <> o.copy_attempt
                    THEN n.copy_attempt END AS copied, n.copy_node_id
        FROM is_now n JOIN was o ON o.job_id = n.job_id AND o.number = n.number
        WHERE o.state <> n.state OR o.attempt <> n.attempt OR o.copy_attempt <> n.copy_attempt
    ), told AS MATERIALIZED (
        -- Tried again it waited first, and its price was held anew, also where the same batch has
        -- brought it further: no step that moves money is left out.
        SELECT job_id, number, 0 AS step, 'QUEUED' AS state, attempts_before AS attempt,
               NULL::uuid AS node_id, price, NULL AS error_class, NULL AS error
        FROM changed WHERE moved AND was_over
        UNION ALL
        SELECT job_id, number, 1, state, attempt, node_id, price, error_class, error
        FROM changed WHERE moved AND NOT (was_over AND state = 'QUEUED')
        UNION ALL
        SELECT job_id, number, 2, 'COPIED', copied, copy_node_id, 0, NULL, NULL
        FROM changed WHERE copied IS NOT NULL
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

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON work_copies TO rendertrust_app;
    END IF;
END $$;
