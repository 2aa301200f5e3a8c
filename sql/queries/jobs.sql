-- name: job_terms
-- For each order: the price of such a job and its row, whether the user may submit it, and an earlier answer
-- under its idempotency key.
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
-- A page of a user's jobs, newest first: those older than job $4, if given. All bounds use an index, so a late page
-- costs as much as the first.
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
-- The same with one status: an optional condition could not use an index.
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
-- Count a user's jobs.
SELECT count(*) FROM jobs WHERE user_id = $1;

-- name: jobs_count_with_status
-- Count a user's jobs with one status.
SELECT count(*) FROM jobs WHERE user_id = $1 AND status = $2;

-- name: job_is_of_user
-- Does the job belong to the user, so that a page may begin after it?
SELECT FROM jobs WHERE id = $2 AND user_id = $1;

-- name: job_of_user
-- A job, only for its owner.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       coalesce(j.params ->> '_pool', 'any') AS pool,
       (j.params -> '_priced' ->> 'work')::bigint AS work
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_result
-- Size and SHA-256 of the result of a job with one unit, as its node reported them.
SELECT u.result_size AS size, u.result_sha256 AS sha256,
       EXISTS (SELECT FROM expired_results x WHERE x.job_id = u.job_id AND x.unit = u.number) AS expired
FROM units u WHERE u.job_id = $1 AND u.state = 'COMPLETED' ORDER BY u.number LIMIT 1;

-- name: job_to_retry
-- A job as submitted, for its owner ($2; null: any), and the job that retries it.
SELECT j.id, j.user_id, j.job_type, j.payload_ref, j.params, j.status, j.price,
       j.units, (SELECT u.frames FROM units u WHERE u.job_id = j.id AND u.number = 0) AS frames,
       (SELECT r.id FROM jobs r WHERE r.retry_of = j.id) AS retried_by
FROM jobs j WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2);

-- name: unit_page
-- A page of a job's units by number: those above $2. A render of one frame has its frame in the parameters. Verified: a
-- verifier compared or opened it. A delivered result is shown before its verdict.
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
-- Those of these units that wait for a verdict, and since when.
SELECT c.unit, c.opened_at AS since
FROM checks c JOIN units u ON u.job_id = c.job_id AND u.number = c.unit AND u.attempt = c.attempt
WHERE c.job_id = $1 AND c.unit = ANY($2::integer[]) AND c.state = 'PENDING' AND u.state = 'VERIFYING';

-- name: loose_tiles
-- A job's tiles of frames that cannot be completed as things are: how many were delivered, how many of these are being
-- checked, and the charges of the others.
SELECT count(*) AS tiles, count(*) FILTER (WHERE t.state = 'VERIFYING') AS checking,
       coalesce(sum(t.price) FILTER (WHERE t.state = 'COMPLETED'), 0)::bigint AS charged
FROM units t JOIN units f ON f.job_id = t.job_id AND f.number = t.feeds
WHERE t.job_id = $1 AND t.state IN ('COMPLETED', 'VERIFYING') AND f.state IN ('FAILED', 'CANCELLED');

-- name: job_given_back
-- Count a job's units whose charge was refunded because they were found invalid later.
SELECT count(*) FROM disputes WHERE job_id = $1 AND state = 'UPHELD';

-- name: job_pace
-- The pace of a job's units, without merged ones: how many are complete and their mean duration, the time each running
-- one has taken, and how many are to come. The pause between two units of a node counts for the second. If a node has
-- started none of its units, the first counts as running; the rest of its backlog is to come.
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
-- The states of a job's units.
SELECT number, state, attempt, node_id FROM units WHERE job_id = $1 ORDER BY number;
