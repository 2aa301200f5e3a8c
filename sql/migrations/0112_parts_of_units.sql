-- Compatible from: 0109
-- A unit that is made of tiles is known by the units that feed it. What is read of open units every few seconds reads
-- nothing of their jobs' parameters, which may be long.
CREATE OR REPLACE VIEW work AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state AS state, u.attempt AS attempt, u.node_id AS node, u.avoid, u.failures, u.not_before,
       u.assigned_at AS assigned_at, u.lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units,
       j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing,
       u.ended_at,
       CASE WHEN u.tile IS NULL AND j.units > 1 THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.started_at AS started_at, u.copy_attempt AS copied, false AS is_copy, u.unsent, u.faults,
       u.copy_delivered_at IS NOT NULL AS answered, u.needs_memory, u.needs_opengl
FROM units u JOIN jobs j ON j.id = u.job_id;

CREATE OR REPLACE VIEW work_copies AS
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       CASE WHEN u.copy_started_at IS NULL THEN 'DISPATCHED' ELSE 'RUNNING' END AS state, u.copy_attempt AS attempt, u.copy_node_id AS node, u.avoid, u.failures, u.not_before,
       u.copy_assigned_at AS assigned_at, u.copy_lease_until AS lease_until, j.queued_at, j.created_at, j.dispatched_at, j.units,
       j.priority, j.paused, j.avoid AS barred, u.price, u.place, u.frames, u.tile, u.feeds, u.missing,
       u.ended_at,
       CASE WHEN u.tile IS NULL AND j.units > 1 THEN
           ARRAY(SELECT json_build_array(t.number, t.attempt, encode(t.result_sha256, 'hex'), t.result_size)::text
                 FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number ORDER BY t.tile)
       END AS parts,
       u.copy_started_at AS started_at, u.copy_attempt AS copied, true AS is_copy, u.unsent, u.faults,
       false AS answered, u.needs_memory, u.needs_opengl
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.copy_node_id IS NOT NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')
  AND u.copy_delivered_at IS NULL;
