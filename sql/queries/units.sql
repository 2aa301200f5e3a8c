-- Reads of open jobs and units for the Scheduler, the Lifeline and NodeSessions, and writes of leases.

-- name: jobs_open_page
-- The next $3 open jobs after the one that was queued at $1 with id $2; null: from the first on.
SELECT id, queued_at, open_units AS units FROM jobs
WHERE completed_at IS NULL
  AND (queued_at, id) > (coalesce($1::timestamptz, '-infinity'),
                         coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
ORDER BY queued_at, id LIMIT $3;

-- name: jobs_placement
-- The jobs $1 that are open, with their plans but without the plans' parameters, which may be long.
SELECT id AS job, user_id AS "user", job_type, payload_ref, units, price = 0 AS is_free,
       plan #- '{spec,params}' AS plan
FROM jobs WHERE id = ANY($1::uuid[]) AND completed_at IS NULL;

-- name: units_of_jobs
-- All assigned units of the jobs $1, their speculative attempts, and of each job the next $2 units to assign; oldest
-- job first. Only few units are read, however many a job has. COALESCE makes the planner use the indexes on a job's
-- assigned units and on speculative attempts, which are few. Plans, which may be long, are read by jobs_plans.
SELECT job, unit, "user", state, attempt, node, avoid, failures, not_before, assigned_at,
       lease_until, queued_at, place, frames, tile, parts, priority, barred, units, price, started_at, copied,
       is_copy, paused, faults, unsent, answered, needs_memory, needs_opengl, needs_vram, needs_scripts,
       vram_used
FROM (
    SELECT a.* FROM unnest($1::uuid[]) AS j (id)
    CROSS JOIN LATERAL (SELECT w.* FROM work w
                        WHERE w.job = j.id AND coalesce(w.state IN ('DISPATCHED', 'RUNNING'), false)) a
    UNION ALL
    SELECT c.* FROM work_copies c WHERE coalesce(c.job = ANY($1::uuid[]), false)
    UNION ALL
    SELECT n.* FROM unnest($1::uuid[]) AS j (id)
    CROSS JOIN LATERAL (SELECT w.* FROM work w
                        WHERE w.job = j.id AND w.state = 'QUEUED' AND w.missing = 0
                          AND (w.paused IS NULL OR (w.paused = 'cap' AND w.price = 0))
                        ORDER BY w.place LIMIT $2) n
) o
ORDER BY o.queued_at, o.job, o.place, o.unit, o.attempt;

-- name: jobs_plans
-- The plans of the jobs $1; they never change.
SELECT id AS job, job_type, payload_ref, plan FROM jobs WHERE id = ANY($1::uuid[]);

-- name: units_ready
-- For each of the jobs $1, the next $2 units to assign, without those that the caller knows: job $3[i], unit $4[i].
SELECT n.* FROM jobs j
CROSS JOIN LATERAL (SELECT w.* FROM work w
                    WHERE w.job = j.id AND w.state = 'QUEUED' AND w.missing = 0
                      AND (w.paused IS NULL OR (w.paused = 'cap' AND w.price = 0))
                      AND (w.job, w.unit) NOT IN (SELECT * FROM unnest($3::uuid[], $4::integer[]))
                    ORDER BY w.place LIMIT $2) n
WHERE j.id = ANY($1::uuid[]) AND j.completed_at IS NULL
ORDER BY n.queued_at, n.job, n.place, n.unit;

-- name: units_running
-- Count running units.
SELECT count(*) FROM units WHERE ended_at IS NULL AND state = 'RUNNING';

-- name: units_of_node
-- The units that are DISPATCHED or RUNNING on a node, oldest assignment first.
SELECT w.* FROM work w
WHERE w.node = $1 AND w.ended_at IS NULL AND w.state IN ('DISPATCHED', 'RUNNING')
UNION ALL
SELECT c.* FROM work_copies c WHERE c.node = $1
ORDER BY assigned_at, job, unit;

-- name: units_lost
-- Units whose lease has ended, and units that were assigned longer than $1 ago and never got a lease.
SELECT w.* FROM work w
WHERE w.ended_at IS NULL AND w.state IN ('DISPATCHED', 'RUNNING')
  AND (w.lease_until <= now() OR (w.lease_until IS NULL AND w.assigned_at < now() - $1::interval))
UNION ALL
SELECT c.* FROM work_copies c
WHERE c.lease_until <= now() OR (c.lease_until IS NULL AND c.assigned_at < now() - $1::interval)
ORDER BY job, unit, attempt;

-- name: units_waiting
-- Queued units that have waited longer than $1. The wait begins when the job was queued, or at its start time. In a job
-- of several units it begins again whenever one of them is assigned to a node.
SELECT w.* FROM work w
WHERE w.ended_at IS NULL AND w.state = 'QUEUED' AND w.queued_at < now() - $1::interval
  AND coalesce((w.plan #>> '{spec,start_after}')::timestamptz, '-infinity') < now() - $1::interval
  AND (w.units = 1 OR w.dispatched_at IS NULL OR w.dispatched_at < now() - $1::interval)
ORDER BY w.job, w.unit LIMIT 1000;

-- name: units_renew_leases
-- Renew leases whose attempt and node match the unit. COALESCE keeps the planner from scanning all open units first,
-- which may have been few when the statement was planned.
UPDATE units u SET lease_until = now() + make_interval(secs => n.seconds)
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[], $5::float8[])
     AS n (job_id, number, attempt, node_id, seconds)
WHERE u.job_id = n.job_id AND u.number = n.number AND u.attempt = n.attempt
  AND u.node_id = n.node_id AND coalesce(u.state IN ('DISPATCHED', 'RUNNING'), false)
RETURNING u.job_id AS job, u.number AS unit, u.attempt, u.node_id AS node;

-- name: units_renew_copies
-- Renew leases of speculative attempts. This is a separate statement because one statement changes a row only once,
-- and both attempts may be renewed.
UPDATE units u SET copy_lease_until = now() + make_interval(secs => n.seconds)
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[], $5::float8[])
     AS n (job_id, number, attempt, node_id, seconds)
WHERE u.job_id = n.job_id AND u.number = n.number AND u.copy_attempt = n.attempt
  AND coalesce(u.copy_node_id = n.node_id, false)
RETURNING u.job_id AS job, u.number AS unit, u.copy_attempt AS attempt, u.copy_node_id AS node;

-- name: units_done
-- For each of the jobs $1, the $2 units completed last and the duration of each until its result was delivered.
SELECT d.* FROM unnest($1::uuid[]) AS j (id)
CROSS JOIN LATERAL (
    SELECT u.job_id AS job, u.frames, u.tile IS NOT NULL AS is_tile,
           extract(epoch FROM coalesce(c.opened_at, u.ended_at)
                              - greatest(u.started_at, u.assigned_at))::double precision AS seconds
    FROM units u
    LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
    WHERE u.job_id = j.id AND u.state = 'COMPLETED'
    ORDER BY u.ended_at DESC LIMIT $2) d;
