-- What the Scheduler, the Lifeline and NodeSessions read and write beside the books: open units,
-- leases, and which nodes live.

-- name: work_open
-- Every unit that has not ended, oldest job first.
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state, u.attempt, u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at,
       u.lease_until, j.queued_at
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.ended_at IS NULL
ORDER BY j.queued_at, u.job_id, u.number;

-- name: work_open_of_node
-- The units that are DISPATCHED or RUNNING on a node, oldest assignment first.
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state, u.attempt, u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at,
       u.lease_until, j.queued_at
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.node_id = $1 AND u.ended_at IS NULL AND u.state <> 'QUEUED'
ORDER BY u.assigned_at, u.job_id, u.number;

-- name: work_lost
-- Units whose lease ran out by $1, or that were assigned before $2 and never sent.
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state, u.attempt, u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at,
       u.lease_until, j.queued_at
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.ended_at IS NULL AND u.state IN ('DISPATCHED', 'RUNNING')
  AND (u.lease_until <= $1 OR (u.lease_until IS NULL AND u.assigned_at < $2))
ORDER BY u.job_id, u.number;

-- name: work_waiting
-- Units in the queue whose job was submitted before $1.
SELECT u.job_id AS job, u.number AS unit, j.user_id AS "user", j.job_type, j.payload_ref, j.params,
       u.state, u.attempt, u.node_id AS node, u.avoid, u.failures, u.not_before, u.assigned_at,
       u.lease_until, j.queued_at
FROM units u JOIN jobs j ON j.id = u.job_id
WHERE u.ended_at IS NULL AND u.state = 'QUEUED' AND j.created_at < $1
ORDER BY u.job_id, u.number LIMIT 1000;

-- name: work_renew_leases
-- The nodes still work on these, as far as attempt and node are those of the unit. In COALESCE the
-- state is no reason to begin with all open units, which are few while it is planned and many later.
UPDATE units u SET lease_until = n.until
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[], $5::timestamptz[])
     AS n (job_id, number, attempt, node_id, until)
WHERE u.job_id = n.job_id AND u.number = n.number AND u.attempt = n.attempt
  AND u.node_id = n.node_id AND coalesce(u.state IN ('DISPATCHED', 'RUNNING'), false)
RETURNING u.job_id AS job, u.number AS unit, u.attempt, u.node_id AS node;

-- name: work_healthy_nodes
-- The nodes that may be given work.
SELECT id, owner_id AS owner, capabilities, current_load AS load, verified_at IS NOT NULL AS verified
FROM nodes WHERE status = 'HEALTHY' ORDER BY id;

-- name: work_standings
-- The nodes about which something was said since $1, the oldest word first.
SELECT id AS node, owner_id AS owner, standing, standing_version, standing_at AS at
FROM nodes WHERE standing_at >= $1 ORDER BY standing_at, id;

-- name: work_node_seen
-- A sign of life over the socket; an older one changes nothing.
UPDATE nodes SET seen_at = $2, status = 'HEALTHY'
WHERE id = $1 AND (seen_at IS NULL OR seen_at <= $2);

-- name: work_silence
-- HEALTHY -> UNHEALTHY after 90 s of silence, -> OFFLINE after 300 s; who was healthy until now.
WITH silent AS (
    SELECT id, status,
           CASE WHEN seen_at IS NULL OR seen_at <= $1::timestamptz - interval '300 seconds'
                THEN 'OFFLINE' ELSE 'UNHEALTHY' END AS becomes
    FROM nodes
    WHERE status IN ('HEALTHY', 'UNHEALTHY')
      AND (seen_at IS NULL OR seen_at <= $1::timestamptz - interval '90 seconds')
    ORDER BY id FOR UPDATE
)
UPDATE nodes n SET status = s.becomes FROM silent s
WHERE n.id = s.id AND n.status <> s.becomes
RETURNING n.id, s.status AS was;
