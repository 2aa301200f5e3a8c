-- name: job_terms
-- Of each order: the price of such a job, whether the user may order it, and what was answered
-- under its idempotency key before.
SELECT coalesce((SELECT units FROM prices p WHERE p.job_type = o.job_type),
                (SELECT units FROM prices p WHERE p.job_type = '*'), 0) AS price,
       coalesce((SELECT is_active FROM users u WHERE u.id = o.user_id), false) AS active,
       k.request, k.answer
FROM unnest($1::uuid[], $2::text[], $3::text[])
     WITH ORDINALITY AS o (user_id, job_type, key, place)
LEFT JOIN idempotency_keys k ON k.user_id = o.user_id AND k.key = o.key
ORDER BY o.place;

-- name: jobs_of_user
-- A page of a user's jobs, newest first.
SELECT j.*, (SELECT coalesce(sum(h.settled), 0)
             FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
             WHERE u.job_id = j.id)::bigint AS charged
FROM jobs j
WHERE j.user_id = $1 AND ($2::text IS NULL OR j.status = $2)
ORDER BY j.created_at DESC, j.id DESC
LIMIT $3 OFFSET $4;

-- name: jobs_count
-- How many match, whatever the page.
SELECT count(*) FROM jobs WHERE user_id = $1 AND ($2::text IS NULL OR status = $2);

-- name: job_of_user
-- A job, for its owner alone.
SELECT j.*, (SELECT coalesce(sum(h.settled), 0)
             FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
             WHERE u.job_id = j.id)::bigint AS charged
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_units
-- The state of a job's units.
SELECT number, state, attempt, node_id FROM units WHERE job_id = $1 ORDER BY number;
