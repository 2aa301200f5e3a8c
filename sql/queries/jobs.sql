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
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       coalesce(j.params ->> '_pool', 'any') AS pool,
       (j.params -> '_priced' ->> 'work')::bigint AS work
FROM jobs j
WHERE j.user_id = $1
  AND (j.created_at, j.id) < (
      coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
      coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY j.created_at DESC, j.id DESC
LIMIT $2 OFFSET $3;

-- name: jobs_of_user_with_status
-- The same of those with one status: a condition that may be left out would be of no index.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       coalesce(j.params ->> '_pool', 'any') AS pool,
       (j.params -> '_priced' ->> 'work')::bigint AS work
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
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       coalesce(j.params ->> '_pool', 'any') AS pool,
       (j.params -> '_priced' ->> 'work')::bigint AS work
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_result
-- What the node said of the object that a job of one unit ended with.
SELECT u.result_size AS size, u.result_sha256 AS sha256,
       EXISTS (SELECT FROM expired_results x WHERE x.job_id = u.job_id AND x.unit = u.number) AS expired
FROM units u WHERE u.job_id = $1 AND u.state = 'COMPLETED' ORDER BY u.number LIMIT 1;

-- name: job_to_retry
-- A job as it was ordered, for its owner ($2; null: whoever it is), and the one that does it again.
SELECT j.id, j.user_id, j.job_type, j.payload_ref, j.params, j.status, j.price,
       j.units, (SELECT u.frames FROM units u WHERE u.job_id = j.id AND u.number = 0) AS frames,
       (SELECT r.id FROM jobs r WHERE r.retry_of = j.id) AS retried_by
FROM jobs j WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2);

-- name: unit_page
-- A page of a job's units by number: those above $2. A render of one frame says by its parameters which.
-- Verified is what a verifier compared or opened. The result of one that was delivered is there before its verdict.
SELECT u.number, u.frames, u.tile, u.state, u.attempt,
       CASE WHEN u.state <> 'QUEUED' THEN u.node_id END AS node_id, u.price,
       CASE WHEN NOT EXISTS (SELECT FROM expired_results x
                             WHERE x.job_id = u.job_id AND x.unit = u.number)
            THEN coalesce(u.result_key, d.result_ref) END AS result_key,
       coalesce(u.result_sha256, d.sha256) AS result_sha256, coalesce(u.result_size, d.size) AS result_size,
       u.verified AND EXISTS (SELECT FROM checks c
                              WHERE c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
                                AND c.verdict IN ('exact', 'consistent', 'sampled-out')) AS verified,
       u.error_class, u.error_code, u.error_message, u.missing,
       u.assigned_at, u.started_at, u.ended_at, u.copy_node_id,
       CASE WHEN u.frames IS NULL AND j.job_type = 'render' THEN j.params ->> 'frame' END AS frame, u.feeds,
       (SELECT CASE WHEN d.by_gateway THEN '' ELSE 'its dispute was upheld: ' END || d.decision FROM disputes d
        WHERE d.job_id = u.job_id AND d.unit = u.number AND d.state = 'UPHELD') AS given_back
FROM units u JOIN jobs j ON j.id = u.job_id
LEFT JOIN checks d ON d.job_id = u.job_id AND d.unit = u.number AND d.attempt = u.attempt AND u.state = 'VERIFYING'
WHERE u.job_id = $1 AND u.number > $2
ORDER BY u.number LIMIT $3;

-- name: open_checks
-- Of these units those that were delivered and wait for a verdict, and since when.
SELECT c.unit, c.opened_at AS since
FROM checks c JOIN units u ON u.job_id = c.job_id AND u.number = c.unit AND u.attempt = c.attempt
WHERE c.job_id = $1 AND c.unit = ANY($2::integer[]) AND c.state = 'PENDING' AND u.state = 'VERIFYING';

-- name: loose_tiles
-- Of a job's tiles whose frame will not come to be, as things stand: how many were delivered, how many
-- of them are being checked, and what the others cost.
SELECT count(*) AS tiles, count(*) FILTER (WHERE t.state = 'VERIFYING') AS checking,
       coalesce(sum(t.price) FILTER (WHERE t.state = 'COMPLETED'), 0)::bigint AS charged
FROM units t JOIN units f ON f.job_id = t.job_id AND f.number = t.feeds
WHERE t.job_id = $1 AND t.state IN ('COMPLETED', 'VERIFYING') AND f.state IN ('FAILED', 'CANCELLED');

-- name: job_given_back
-- Of how many of a job's units the charge was given back, as they were found wrong later.
SELECT count(*) FROM disputes WHERE job_id = $1 AND state = 'UPHELD';

-- name: job_pace
-- Of a job's units, but those that are made of others: how many are complete and how long each took on
-- average, how long each that is at work has taken, and how many are to come. What passes between the
-- end of a node's unit and its next one's beginning is part of the next. Of what a node has begun
-- nothing of, the first unit is at work; all else that lies in a backlog is to come.
WITH mine AS (
    SELECT u.number, u.node_id, u.state, u.assigned_at, u.ended_at,
           CASE WHEN u.state IN ('RUNNING', 'COMPLETED') THEN greatest(u.started_at, u.assigned_at) END AS begun_at,
           row_number() OVER (PARTITION BY u.node_id, u.state IN ('RUNNING', 'DISPATCHED')
                              ORDER BY u.state = 'RUNNING' DESC, u.assigned_at, u.number) AS place
    FROM units u
    WHERE u.job_id = $1
      AND NOT (u.tile IS NULL AND EXISTS (SELECT FROM units t WHERE t.job_id = u.job_id AND t.feeds = u.number))
),
moments AS (
    SELECT node_id, begun_at AS at, number, NULL::timestamptz AS ended_at FROM mine WHERE begun_at IS NOT NULL
    UNION ALL
    SELECT node_id, ended_at, NULL, ended_at FROM mine WHERE state = 'COMPLETED'
),
ends AS (SELECT number, max(ended_at) OVER (PARTITION BY node_id ORDER BY at) AS before FROM moments),
taken AS (
    SELECT m.state, m.place,
           extract(epoch FROM coalesce(m.ended_at, $2::timestamptz)
                   - CASE WHEN e.before IS NULL THEN m.begun_at ELSE greatest(m.assigned_at, e.before) END
                  )::double precision AS seconds
    FROM mine m LEFT JOIN ends e ON e.number = m.number
)
SELECT count(*) FILTER (WHERE state = 'COMPLETED') AS done,
       avg(seconds) FILTER (WHERE state = 'COMPLETED') AS mean,
       coalesce(array_agg(coalesce(seconds, 0))
                FILTER (WHERE state = 'RUNNING' OR state = 'DISPATCHED' AND place = 1), '{}') AS at_work,
       count(*) FILTER (WHERE state = 'QUEUED' OR state = 'DISPATCHED' AND place > 1) AS waiting
FROM taken;

-- name: job_units
-- The state of a job's units.
SELECT number, state, attempt, node_id FROM units WHERE job_id = $1 ORDER BY number;
