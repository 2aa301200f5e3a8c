-- name: job_terms
-- Of each order: the price of such a job and the price's number, whether the user may order it, and
-- what was answered under its idempotency key before.
SELECT p.units AS price, p.number AS price_number,
       coalesce((SELECT is_active FROM users u WHERE u.id = o.user_id), false) AS active,
       k.request, k.answer
FROM unnest($1::uuid[], $2::text[], $3::text[])
     WITH ORDINALITY AS o (user_id, job_type, key, place)
CROSS JOIN LATERAL (
    SELECT number, units FROM (
        (SELECT 1 AS choice, number, units FROM prices WHERE job_type = o.job_type
         ORDER BY number DESC LIMIT 1)
        UNION ALL
        (SELECT 2, number, units FROM prices WHERE job_type = '*' ORDER BY number DESC LIMIT 1)
    ) newest
    WHERE units IS NOT NULL ORDER BY choice LIMIT 1
) p
LEFT JOIN idempotency_keys k ON k.user_id = o.user_id AND k.key = o.key
ORDER BY o.place;

-- name: jobs_of_user
-- A page of a user's jobs, newest first: those older than job $4, if there is one. All bounds are of
-- an index, so a page far down costs what the first one does.
SELECT j.*, (SELECT coalesce(sum(h.settled), 0)
             FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
             WHERE u.job_id = j.id)::bigint AS charged
FROM jobs j
WHERE j.user_id = $1
  AND (j.created_at, j.id) < (
      coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
      coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY j.created_at DESC, j.id DESC
LIMIT $2 OFFSET $3;

-- name: jobs_of_user_with_status
-- The same of those with one status: a condition that may be left out would be of no index.
SELECT j.*, (SELECT coalesce(sum(h.settled), 0)
             FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
             WHERE u.job_id = j.id)::bigint AS charged
FROM jobs j
WHERE j.user_id = $1 AND j.status = $5
  AND (j.created_at, j.id) < (
      coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
      coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY j.created_at DESC, j.id DESC
LIMIT $2 OFFSET $3;

-- name: jobs_count
-- How many jobs a user has, whatever the page.
SELECT count(*) FROM jobs WHERE user_id = $1;

-- name: jobs_count_with_status
-- How many of them have one status.
SELECT count(*) FROM jobs WHERE user_id = $1 AND status = $2;

-- name: job_is_of_user
-- Whether a page may begin after this job.
SELECT FROM jobs WHERE id = $2 AND user_id = $1;

-- name: job_of_user
-- A job, for its owner alone.
SELECT j.*, (SELECT coalesce(sum(h.settled), 0)
             FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
             WHERE u.job_id = j.id)::bigint AS charged
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_units
-- The state of a job's units.
SELECT number, state, attempt, node_id FROM units WHERE job_id = $1 ORDER BY number;
