-- Of two attempts at a unit the first that was found valid ends the other, not the first that delivered: what
-- was delivered waits for its verdict while the other goes on, or has delivered, too.

-- An attempt beside another that delivered is not at work any more. Its number is the greater one still, so
-- that what is known of a unit only ever goes on to greater numbers.
ALTER TABLE units
    ADD COLUMN copy_delivered_at timestamptz, -- null: it is at work
    DROP CONSTRAINT units_copied,
    ADD CONSTRAINT units_copied CHECK (copy_node_id IS NULL OR coalesce(
        state IN ('DISPATCHED', 'RUNNING', 'VERIFYING') AND copy_attempt > attempt AND copy_node_id <> node_id
        AND copy_assigned_at IS NOT NULL AND (copy_delivered_at IS NULL OR copy_started_at IS NOT NULL), false)),
    DROP CONSTRAINT units_not_copied,
    ADD CONSTRAINT units_not_copied CHECK (copy_node_id IS NOT NULL OR coalesce(
        copy_assigned_at, copy_started_at, copy_lease_until, copy_delivered_at) IS NULL);
DROP INDEX checks_pending; -- both may wait

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
       u.started_at AS started_at, u.copy_attempt AS copied, false AS is_copy, u.unsent, u.faults,
       u.copy_delivered_at IS NOT NULL AS answered
FROM units u JOIN jobs j ON j.id = u.job_id;

-- By its state, as before: a table that was never analysed would be read whole to find that there are none.
CREATE OR REPLACE VIEW work_copies AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       CASE WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END AS state, u.copy_attempt AS attempt, u.copy_node_id AS node, u.avoid, u.failures, u.not_before,
       u.copy_assigned_at AS assigned_at, u.copy_lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units,
       j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing,
       u.ended_at,
       CASE WHEN u.tile IS NULL AND j.params ? '_tiles' THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.copy_started_at AS started_at, u.copy_attempt AS copied, true AS is_copy, u.unsent, u.faults,
       false AS answered
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')
  AND u.copy_delivered_at IS NULL;

CREATE OR REPLACE VIEW at_nodes AS
SELECT u.job_id, u.number AS unit, u.attempt, u.state, u.node_id, u.assigned_at, u.started_at, u.lease_until
FROM units u WHERE u.ended_at IS NULL AND u.state <> 'QUEUED'
UNION ALL
SELECT u.job_id, u.number, u.copy_attempt,
       CASE WHEN u.copy_delivered_at IS NOT NULL THEN 'VERIFYING'
            WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END,
       u.copy_node_id, u.copy_assigned_at, u.copy_started_at, u.copy_lease_until
FROM units u WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING');

-- Which attempts are to be looked at, the first that was delivered of a unit, if it has two: the other one
-- only if that falls.
CREATE VIEW to_verify AS
SELECT c.* FROM checks c
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
            AND ((u.attempt = c.attempt AND u.state = 'VERIFYING')
                 OR (u.copy_attempt = c.attempt AND u.copy_delivered_at IS NOT NULL))
WHERE c.state = 'PENDING'
  AND NOT EXISTS (SELECT FROM checks o WHERE o.job_id = c.job_id AND o.unit = c.unit AND o.state = 'PENDING'
                  AND (o.opened_at, o.attempt) < (c.opened_at, c.attempt));

CREATE OR REPLACE FUNCTION note_copy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost boolean := NEW.state IN ('QUEUED', 'FAILED', 'CANCELLED');
    won  boolean := NEW.state = 'COMPLETED';
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

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON to_verify TO rendertrust_app;
    END IF;
END $$;
