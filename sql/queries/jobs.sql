-- Reads of jobs for their owners and the console. In queries job_view_… that take an owner, null means all owners.

-- name: job_terms
-- For each job to submit (user, job type, idempotency key): the price and its row in the price table, whether the user
-- is active, and the stored request and answer of the key.
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
-- A page of a user's jobs, newest first: those older than job $4, if given; $5: only preflights, or none (null: all). The
-- conditions use an index, so a late page costs as much as the first. The inner query chooses the page: beside the costs of the refunds, two indexes would
-- look equally good to the planner.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded,
       (SELECT n.name FROM nodes n WHERE n.id = j.node_id) AS node_name,
       job_is_verifying(j.id, j.status) AS is_verifying
FROM (
    SELECT * FROM jobs
    WHERE user_id = $1 AND ($5::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $5)
      AND (created_at, id) < (
          coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC
    LIMIT $2 OFFSET $3
) j
ORDER BY j.created_at DESC, j.id DESC;

-- name: jobs_of_user_with_status
-- Like jobs_of_user, for jobs with status $6. It is a separate query, as an optional condition could not use an index.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded,
       (SELECT n.name FROM nodes n WHERE n.id = j.node_id) AS node_name,
       job_is_verifying(j.id, j.status) AS is_verifying
FROM (
    SELECT * FROM jobs
    WHERE user_id = $1 AND status = $6 AND ($5::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $5)
      AND (created_at, id) < (
          coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC
    LIMIT $2 OFFSET $3
) j
ORDER BY j.created_at DESC, j.id DESC;

-- name: jobs_of_user_named
-- Like jobs_of_user, for jobs with status $6 (null: any) and $7 in their names, among the user's newest $8.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded,
       (SELECT n.name FROM nodes n WHERE n.id = j.node_id) AS node_name,
       job_is_verifying(j.id, j.status) AS is_verifying
FROM (
    SELECT * FROM (
        SELECT * FROM jobs WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $8
    ) newest
    WHERE strpos(lower(name), lower($7::text)) > 0 AND ($6::text IS NULL OR status = $6)
      AND ($5::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $5)
      AND (created_at, id) < (
          coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC
    LIMIT $2 OFFSET $3
) j
ORDER BY j.created_at DESC, j.id DESC;

-- name: jobs_count_named
-- Count a user's jobs with status $3 (null: any) and $4 in their names, among the newest $5; $2 as in jobs_count.
SELECT count(*) FROM (
    SELECT status, name, job_type FROM jobs WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $5
) newest
WHERE strpos(lower(name), lower($4::text)) > 0 AND ($3::text IS NULL OR status = $3)
  AND ($2::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $2);

-- name: job_rename
-- Rename a job of user $2.
UPDATE jobs SET name = $3, updated_at = greatest(updated_at, now()) WHERE id = $1 AND user_id = $2 RETURNING id;

-- name: job_names
-- The names of the jobs $1.
SELECT id, name FROM jobs WHERE id = ANY($1::uuid[]);

-- name: job_names_erase
-- Forget how a user, whose jobs have all ended, called them.
UPDATE jobs SET name = 'deleted' WHERE user_id = $1 AND name <> 'deleted';

-- name: jobs_count
-- Count a user's jobs; $2: only preflights, or none (null: all).
SELECT count(*) FROM jobs
WHERE user_id = $1 AND ($2::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $2);

-- name: jobs_count_with_status
-- Count a user's jobs with status $3; $2 as in jobs_count.
SELECT count(*) FROM jobs
WHERE user_id = $1 AND status = $3 AND ($2::boolean IS NULL OR (split_part(job_type, ':', 1) = 'preflight') = $2);

-- name: job_is_of_user
-- A row if the job belongs to the user, so that a page may begin after it.
SELECT FROM jobs WHERE id = $2 AND user_id = $1;

-- name: job_of_user
-- A job, if the user is its owner.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded,
       (SELECT n.name FROM nodes n WHERE n.id = j.node_id) AS node_name,
       job_is_verifying(j.id, j.status) AS is_verifying
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_result
-- Size and SHA-256 of the result of a job with one unit, as its node reported them, and whether it has been deleted.
SELECT u.result_size AS size, u.result_sha256 AS sha256,
       EXISTS (SELECT FROM expired_results x WHERE x.job_id = u.job_id AND x.unit = u.number) AS expired
FROM units u WHERE u.job_id = $1 AND u.state = 'COMPLETED' ORDER BY u.number LIMIT 1;

-- name: job_to_retry
-- A job of user $2 (null: of any user) as it was submitted, and the job that repeats it.
SELECT j.id, j.user_id, j.name, j.job_type, j.payload_ref, j.plan, j.status, j.price,
       j.units, j.units - j.open_units - j.failed_units - j.cancelled_units AS done,
       (SELECT u.frames FROM units u WHERE u.job_id = j.id AND u.number = 0) AS frames,
       (SELECT r.id FROM jobs r WHERE r.retry_of = j.id) AS retried_by
FROM jobs j WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2);

-- name: unit_page
-- A page of a job's units by number: those above $2. A render of a single frame has its frame in the parameters.
-- verified: a verifier compared or opened the result, and no dispute of it was upheld. The result of a unit that waits
-- for its verdict is contained, too.
SELECT u.number, u.frames, u.tile, u.state, u.attempt,
       CASE WHEN u.state <> 'QUEUED' THEN u.node_id END AS node_id,
       (SELECT n.name FROM nodes n WHERE n.id = u.node_id AND u.state <> 'QUEUED') AS node_name,
       (SELECT n.name FROM nodes n WHERE n.id = u.copy_node_id) AS copy_node_name,
       (SELECT c.opened_at FROM checks c
        WHERE c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt) AS delivered_at, u.price,
       CASE WHEN NOT EXISTS (SELECT FROM expired_results x
                             WHERE x.job_id = u.job_id AND x.unit = u.number)
            THEN coalesce(u.result_key, d.result_ref) END AS result_key,
       coalesce(u.result_sha256, d.sha256) AS result_sha256, coalesce(u.result_size, d.size) AS result_size,
       u.verified AND EXISTS (SELECT FROM checks c
                              WHERE c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
                                AND c.verdict IN ('exact', 'consistent', 'sampled-out'))
           AND NOT EXISTS (SELECT FROM disputes d
                           WHERE d.job_id = u.job_id AND d.unit = u.number AND d.state = 'UPHELD') AS verified,
       u.error_class, u.error_code, u.error_message, u.missing,
       u.assigned_at, u.started_at, u.ended_at, u.copy_node_id,
       CASE WHEN u.frames IS NULL AND j.job_type = 'render' THEN j.plan #>> '{spec,params,frame}' END AS frame, u.feeds,
       (SELECT CASE WHEN d.by_gateway THEN '' ELSE 'its dispute was upheld: ' END || d.decision FROM disputes d
        WHERE d.job_id = u.job_id AND d.unit = u.number AND d.state = 'UPHELD') AS refund_reason,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r
        WHERE r.job_id = u.job_id::text AND r.unit = u.number::text) AS refunded,
       CASE WHEN u.state = 'COMPLETED' THEN
           coalesce((SELECT c.reason FROM checks c
                     WHERE c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt),
                    (SELECT r.document::json ->> 'reason' FROM receipts r WHERE r.job_id = u.job_id AND r.unit = u.number))
       END AS unverified_reason
FROM units u JOIN jobs j ON j.id = u.job_id
LEFT JOIN checks d ON d.job_id = u.job_id AND d.unit = u.number AND d.attempt = u.attempt AND u.state = 'VERIFYING'
WHERE u.job_id = $1 AND u.number > $2
ORDER BY u.number LIMIT $3;

-- name: open_checks
-- Of the units $2 of a job, those that wait for a verdict, and since when.
SELECT c.unit, c.opened_at AS since
FROM checks c JOIN units u ON u.job_id = c.job_id AND u.number = c.unit AND u.attempt = c.attempt
WHERE c.job_id = $1 AND c.unit = ANY($2::integer[]) AND c.state = 'PENDING' AND u.state = 'VERIFYING';

-- name: loose_tiles
-- A job's orphan tiles (delivered tiles of frames that cannot be completed): their number, how many are being checked,
-- and the charges of the others, less refunds.
SELECT count(*) AS tiles, count(*) FILTER (WHERE t.state = 'VERIFYING') AS checking,
       coalesce(sum(t.price - b.refunded) FILTER (WHERE t.state = 'COMPLETED'), 0)::bigint AS charged
FROM units t JOIN units f ON f.job_id = t.job_id AND f.number = t.feeds
CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount), 0) AS refunded FROM unit_refunds r
                    WHERE r.job_id = t.job_id::text AND r.unit = t.number::text) b
WHERE t.job_id = $1 AND t.state IN ('COMPLETED', 'VERIFYING') AND f.state IN ('FAILED', 'CANCELLED');

-- name: job_refunded_units
-- Count a job's units whose charge was refunded after an upheld dispute.
SELECT count(*) FROM disputes WHERE job_id = $1 AND state = 'UPHELD';

-- name: job_pace
-- Progress of a job's units, without assembled ones: how many are complete and their mean duration, how long each
-- running one has taken so far, and how many wait. The pause between two units of a node counts towards the second. If
-- a node has started none of its units, the first of them counts as running and the others as waiting.
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
-- The state, attempt and node of each of a job's units.
SELECT number, state, attempt, node_id FROM units WHERE job_id = $1 ORDER BY number;

-- name: job_view_page
-- A page of the newest $12 jobs that match, sorted by $13 ('-': descending). With each: its newest thumbnail, its newest
-- film, the newest check of its scene, and whether only verdicts are missing.
WITH page AS (
    SELECT f.*, u.email, n.name AS node_name,
           row_number() OVER (ORDER BY
               CASE $13::text WHEN 'name' THEN lower(f.name) WHEN 'status' THEN f.status
                              WHEN 'user' THEN u.email WHEN 'node' THEN n.name END,
               CASE $13 WHEN '-name' THEN lower(f.name) WHEN '-status' THEN f.status
                        WHEN '-user' THEN u.email WHEN '-node' THEN n.name END DESC NULLS LAST,
               CASE $13 WHEN 'price' THEN f.price
                        WHEN 'took' THEN 1000 * extract(epoch FROM f.completed_at - job_begun_at(f.id)) END,
               CASE $13 WHEN '-price' THEN f.price
                        WHEN '-took' THEN 1000 * extract(epoch FROM f.completed_at - job_begun_at(f.id))
               END DESC NULLS LAST,
               CASE $13 WHEN 'created' THEN f.created_at END,
               f.created_at DESC, f.id DESC) AS place
    FROM jobs_found($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) f
    JOIN users u ON u.id = f.user_id
    LEFT JOIN nodes n ON n.id = f.node_id
    ORDER BY place LIMIT $14 OFFSET $15
)
SELECT p.id, p.name, p.job_type, p.status, p.user_id, p.email, p.node_id, p.node_name, p.price, p.units,
       p.units - p.open_units - p.failed_units - p.cancelled_units AS done, p.paused,
       p.retry_count, p.retry_of, p.error_message, p.created_at, job_begun_at(p.id) AS begun_at, p.completed_at,
       (SELECT r.id FROM jobs r WHERE r.retry_of = p.id) AS retried_by,
       p.charged,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = p.id::text) AS refunded,
       (SELECT max(c.opened_at) FROM checks c WHERE c.job_id = p.id) AS delivered_at,
       t.frame AS thumbnail_frame, t.made_at AS thumbnail_at,
       film.id AS film, film.status AS film_status, scene_check.id AS preflight, scene_check.status AS preflight_status,
       job_is_verifying(p.id, p.status) AS is_verifying
FROM page p
LEFT JOIN LATERAL (
    SELECT frame, made_at FROM thumbnails WHERE job_id = p.id ORDER BY made_at DESC, frame DESC LIMIT 1
) t ON true
LEFT JOIN LATERAL (
    SELECT v.id, v.status FROM jobs v
    WHERE v.job_type = 'video' AND v.plan #>> '{inputs,frames_of}' = p.id::text AND v.user_id = p.user_id
    ORDER BY v.created_at DESC LIMIT 1
) film ON true
LEFT JOIN LATERAL (
    SELECT c.id, c.status FROM preflights f JOIN jobs c ON c.id = f.job_id
    WHERE f.user_id = p.user_id AND p.job_type = 'render' AND f.content = decode(
        coalesce(p.plan #>> '{inputs,files,sha256}', p.plan #>> '{inputs,file,sha256}'), 'hex')
    ORDER BY f.number DESC LIMIT 1
) scene_check ON true
ORDER BY p.place;

-- name: job_view_counts
-- The number of matching jobs by status, among the newest $12 that match the filter.
SELECT status AS name, count(*) AS count
FROM jobs_found($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
GROUP BY status;

-- name: job_view_words
-- Values to offer in the job list's filter: types and nodes of the newest 500 jobs, at most 50 each.
WITH newest AS (
    SELECT job_type, node_id FROM jobs WHERE $1::uuid IS NULL OR user_id = $1
    ORDER BY created_at DESC, id DESC LIMIT 500
)
SELECT ARRAY(SELECT DISTINCT job_type FROM newest ORDER BY job_type LIMIT 50) AS types,
       ARRAY(SELECT DISTINCT n.name FROM newest JOIN nodes n ON n.id = newest.node_id
             ORDER BY n.name LIMIT 50) AS nodes;

-- name: job_view_job
-- A job with the names of its user, node and file, and with counts and sums over its units.
SELECT j.id, j.name, j.user_id, u.email, u.name AS user_name, j.node_id, n.name AS node_name, j.job_type,
       j.payload_ref, j.plan, j.status, j.price, j.retry_count, j.retry_of, j.result_ref,
       j.error_message, j.created_at, j.dispatched_at, j.completed_at,
       (SELECT r.id FROM jobs r WHERE r.retry_of = j.id) AS retried_by,
       j.units, j.units - j.open_units - j.failed_units - j.cancelled_units AS done,
       (SELECT coalesce(sum(w.attempt), 0)::bigint FROM units w WHERE w.job_id = j.id) AS attempts,
       j.failed_units AS failed, j.charged, j.priority, j.cap, j.paused,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded,
       (SELECT coalesce(sum(w.price), 0)::bigint FROM units w
        WHERE w.job_id = j.id AND w.state IN ('QUEUED', 'DISPATCHED', 'RUNNING', 'VERIFYING')) AS held,
       (SELECT count(*) FROM units w
        WHERE w.job_id = j.id AND w.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')) AS at_work,
       (SELECT max(c.opened_at) FROM checks c WHERE c.job_id = j.id) AS delivered_at,
       (SELECT w.number FROM units w WHERE w.job_id = j.id AND w.state = 'QUEUED' AND w.missing = 0
        ORDER BY w.place, w.number LIMIT 1) AS next_unit,
       job_is_verifying(j.id, j.status) AS is_verifying,
       coalesce(up.filename, substring(j.payload_ref FROM '[^/]+$')) AS file
FROM jobs j
JOIN users u ON u.id = j.user_id
LEFT JOIN uploads up ON up.user_id = j.user_id
      AND up.sha256 = decode(substring(j.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')
LEFT JOIN nodes n ON n.id = j.node_id
WHERE j.id = $2 AND ($1::uuid IS NULL OR j.user_id = $1);

-- name: job_view_relatives
-- The newest check of the scene of job $1. Of a film or a check, the job to which it belongs; that of a check is
-- searched for among the user's newest 1,000 jobs. Of a frame rendered again, the job of which it was a frame.
WITH j AS (
    SELECT id, user_id, job_type, payload_ref, plan #>> '{inputs,frames_of}' AS frames_of, plan ->> 'again_of' AS again_of,
           decode(coalesce(plan #>> '{inputs,files,sha256}', plan #>> '{inputs,file,sha256}'), 'hex') AS content
    FROM jobs WHERE id = $1
)
(SELECT 'preflight' AS role, c.id, c.name, c.status
 FROM j JOIN preflights f ON f.user_id = j.user_id AND f.content = j.content JOIN jobs c ON c.id = f.job_id
 WHERE j.job_type IN ('render', 'inference') ORDER BY f.number DESC LIMIT 1)
UNION ALL
(SELECT 'parent', p.id, p.name, p.status FROM j JOIN jobs p ON p.id = j.frames_of::uuid AND p.user_id = j.user_id)
UNION ALL
(SELECT 'original', p.id, p.name, p.status FROM j JOIN jobs p ON p.id = j.again_of::uuid AND p.user_id = j.user_id)
UNION ALL
(SELECT 'parent', p.id, p.name, p.status
 FROM j CROSS JOIN LATERAL (SELECT id, name, status, job_type, payload_ref, created_at FROM jobs
                            WHERE user_id = j.user_id ORDER BY created_at DESC, id DESC LIMIT 1000) p
 WHERE split_part(j.job_type, ':', 1) = 'preflight' AND p.job_type IN ('render', 'inference')
   AND p.payload_ref = j.payload_ref
 ORDER BY p.created_at DESC LIMIT 1);

-- name: job_view_units
-- The first 100 units of a job, with the verdicts on their last attempts.
SELECT w.number, w.frames, w.tile, w.state, w.attempt, w.node_id, n.name AS node_name, w.assigned_at,
       w.started_at, w.ended_at, w.not_before, w.failures, w.error_class, w.error_message, w.verified,
       w.result_size, w.result_sha256, c.opened_at AS delivered_at,
       CASE WHEN d.id IS NULL THEN c.verdict ELSE 'refunded' END AS verdict,
       CASE WHEN d.id IS NULL THEN c.said
            WHEN d.by_gateway THEN d.decision ELSE 'its dispute was upheld: ' || d.decision END AS said,
       EXISTS (SELECT FROM receipts r WHERE r.job_id = w.job_id AND r.unit = w.number) AS has_receipt
FROM units w LEFT JOIN nodes n ON n.id = w.node_id
LEFT JOIN checks c ON c.job_id = w.job_id AND c.unit = w.number AND c.attempt = w.attempt
LEFT JOIN disputes d ON d.job_id = w.job_id AND d.unit = w.number AND d.state = 'UPHELD'
WHERE w.job_id = $1 ORDER BY w.number LIMIT 100;

-- name: job_view_frames
-- A page of a job's frames or chunks by number, in state $2 (null: any). The row of a frame in tiles is that of its
-- assembled unit; its sums include the tiles.
SELECT w.number, w.frames, w.state, w.attempt, n.name AS node_name, w.missing, w.error_code, w.error_message,
       w.started_at, w.ended_at, c.opened_at AS delivered_at, w.result_size, w.result_key IS NOT NULL AS has_result,
       EXISTS (SELECT FROM receipts r WHERE r.job_id = w.job_id AND r.unit = w.number) AS has_receipt,
       coalesce(t.tiles, 0) AS tiles, (w.price + coalesce(t.price, 0))::bigint AS price,
       (CASE WHEN w.state = 'COMPLETED' THEN w.price ELSE 0 END + coalesce(t.charged, 0))::bigint AS charged,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM units p
        JOIN unit_refunds r ON r.job_id = p.job_id::text AND r.unit = p.number::text
        WHERE p.job_id = w.job_id AND (p.number = w.number OR p.feeds = w.number)) AS refunded,
       EXISTS (SELECT FROM units p JOIN disputes d ON d.job_id = p.job_id AND d.unit = p.number
               WHERE d.state = 'UPHELD' AND p.job_id = w.job_id
                 AND (p.number = w.number OR p.feeds = w.number)) AS dispute_upheld
FROM (
    SELECT * FROM units
    WHERE job_id = $1 AND tile IS NULL AND ($2::text IS NULL OR state = $2)
    ORDER BY number LIMIT $3 OFFSET $4
) w
LEFT JOIN nodes n ON n.id = w.node_id
LEFT JOIN checks c ON c.job_id = w.job_id AND c.unit = w.number AND c.attempt = w.attempt
LEFT JOIN LATERAL (
    SELECT count(*) AS tiles, sum(p.price) AS price,
           sum(p.price) FILTER (WHERE p.state = 'COMPLETED') AS charged
    FROM units p WHERE p.job_id = w.job_id AND p.feeds = w.number
) t ON true
ORDER BY w.number;

-- name: job_view_frame_counts
-- Count a job's frames and chunks, and those that are complete or failed; tiles do not count.
SELECT count(*) AS total, count(*) FILTER (WHERE state = 'COMPLETED') AS done,
       count(*) FILTER (WHERE state = 'FAILED') AS failed
FROM units WHERE job_id = $1 AND tile IS NULL;

-- name: job_view_attempts
-- A job's attempts that ended without a result, by unit and attempt number, at most 100.
SELECT a.number, w.frames, w.tile, a.attempt, a.node_id, n.name AS node_name, a.assigned_at, a.started_at,
       a.ended_at, c.opened_at AS delivered_at, a.error_class, a.error_code, a.error, c.verdict, c.said
FROM attempts a LEFT JOIN units w ON w.job_id = a.job_id AND w.number = a.number
LEFT JOIN nodes n ON n.id = a.node_id
LEFT JOIN checks c ON c.job_id = a.job_id AND c.unit = a.number AND c.attempt = a.attempt
WHERE a.job_id = $1 ORDER BY a.number, a.attempt LIMIT 100;

-- name: job_view_holds
-- The holds of a job's first 100 units that have one.
SELECT w.number, w.frames, w.tile, h.amount, h.settled, h.state, h.created_at, h.closed_at
FROM units w JOIN holds h ON h.reference = 'job:' || w.job_id || ':' || w.number
WHERE w.job_id = $1 ORDER BY w.number LIMIT 100;

-- name: job_view_entries
-- At most 100 entries for a job on its owner's account, each with its leaf in the log, and the times of the first
-- checkpoint and the first confirmed anchor that include the leaf.
SELECT w.number, w.frames, w.tile, e.entry_id, t.kind, e.amount, e.after, t.description, e.created_at, l.leaf_index,
       (SELECT c.at FROM checkpoints c WHERE c.size > l.leaf_index ORDER BY c.size LIMIT 1) AS signed_at,
       (SELECT x.confirmed_at FROM chain_transactions x
        WHERE x.size > l.leaf_index AND x.state = 'CONFIRMED' ORDER BY x.size LIMIT 1) AS anchored_at
FROM units w
JOIN jobs j ON j.id = w.job_id
JOIN accounts a ON a.name = 'user:' || j.user_id
JOIN transfers t ON t.reference IN ('job:' || w.job_id || ':' || w.number, 'dispute:' || w.job_id || ':' || w.number)
                AND t.subject = a.id AND t.kind IN ('USAGE', 'REFUND')
JOIN entries e ON e.transfer_id = t.id AND e.account_id = a.id
LEFT JOIN leaves l ON l.transfer = t.id
WHERE w.job_id = $1 ORDER BY e.entry_id LIMIT 100;

-- name: job_view_charges
-- All charges for a job: their number, the time of the last one, and when a checkpoint and a confirmed anchor included
-- all of them.
WITH charged AS (
    SELECT t.created_at, l.leaf_index
    FROM units w
    JOIN jobs j ON j.id = w.job_id
    JOIN accounts a ON a.name = 'user:' || j.user_id
    JOIN transfers t ON t.reference = 'job:' || w.job_id || ':' || w.number
                    AND t.subject = a.id AND t.kind = 'USAGE'
    LEFT JOIN leaves l ON l.transfer = t.id
    WHERE w.job_id = $1
), last AS (
    SELECT count(*) AS number, max(created_at) AS at,
           CASE WHEN count(leaf_index) = count(*) THEN max(leaf_index) END AS leaf
    FROM charged
)
SELECT number, at,
       (SELECT c.at FROM checkpoints c WHERE c.size > leaf ORDER BY c.size LIMIT 1) AS signed_at,
       (SELECT x.confirmed_at FROM chain_transactions x
        WHERE x.size > leaf AND x.state = 'CONFIRMED' ORDER BY x.size LIMIT 1) AS anchored_at
FROM last;

-- name: job_view_parts
-- The frames of each of a job's units, without tiles, and the unit's place in the job's order.
SELECT w.number, w.frames, w.place FROM units w
WHERE w.job_id = $1 AND w.tile IS NULL AND w.frames IS NOT NULL ORDER BY w.number;

-- name: job_view_newest
-- The frames of the unit with a job's newest picture: of the frames that have a thumbnail or are complete, the last one
-- in the order in which they are rendered. So the picture does not go back when an earlier frame is finished later.
SELECT n.frames FROM (
    (SELECT t.frame::text AS frames, w.place, t.frame FROM thumbnails t
     JOIN units w ON w.job_id = t.job_id AND w.number = t.unit AND w.attempt = t.attempt AND w.tile IS NULL
     WHERE t.job_id = $1 AND w.frames IS NOT NULL ORDER BY w.place DESC, t.frame DESC LIMIT 1)
    UNION ALL
    (SELECT w.frames, w.place, NULL FROM units w
     WHERE w.job_id = $1 AND w.tile IS NULL AND w.frames IS NOT NULL AND w.state = 'COMPLETED'
     ORDER BY w.place DESC LIMIT 1)
) n
ORDER BY n.place DESC, n.frame DESC NULLS LAST LIMIT 1;

-- name: job_view_videos
-- The videos of a job's frames, at most 5, newest first.
SELECT f.id, f.status, f.result_ref IS NOT NULL AS is_there, f.created_at, f.charged
FROM jobs f
WHERE f.user_id = $2 AND f.job_type = 'video' AND f.plan #>> '{inputs,frames_of}' = $1::uuid::text
ORDER BY f.created_at DESC, f.id DESC LIMIT 5;

-- name: job_again_count
-- Count the jobs that render a frame of job $1 again.
SELECT count(*) AS number FROM jobs WHERE plan ->> 'again_of' = $1::uuid::text;

-- name: job_again_held
-- The credits that were held for unit $2 of job $1, and for the tiles from which it is assembled.
SELECT coalesce(sum(h.amount), 0)::bigint AS number
FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.job_id = $1 AND (u.number = $2 OR u.feeds = $2);

-- name: job_view_again
-- The jobs that render a frame of job $1 again, at most 20, newest first.
SELECT j.id, j.status, (SELECT u.frames FROM units u WHERE u.job_id = j.id ORDER BY u.number LIMIT 1) AS frames, j.created_at
FROM jobs j WHERE j.plan ->> 'again_of' = $1::uuid::text ORDER BY j.created_at DESC LIMIT 20;

-- name: job_view_same_scene
-- Other rendering jobs of the owner of job $1 with complete frames, of the same input or of an upload of the same name:
-- the newest 50 among the owner's newest 2,000 jobs.
WITH this AS (
    SELECT j.id, j.user_id, j.payload_ref,
           (SELECT up.filename FROM uploads up WHERE up.user_id = j.user_id
            AND up.sha256 = decode(substring(j.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')) AS filename
    FROM jobs j WHERE j.id = $1
)
SELECT o.id, o.name, o.created_at, o.plan #> '{spec,params}' AS params, o.status, o.units
FROM this, LATERAL (SELECT * FROM jobs j WHERE j.user_id = this.user_id
                    ORDER BY j.created_at DESC, j.id DESC LIMIT 2000) o
LEFT JOIN uploads up ON up.user_id = o.user_id
      AND up.sha256 = decode(substring(o.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')
WHERE o.id <> this.id AND o.job_type = 'render' AND o.units - o.open_units - o.failed_units - o.cancelled_units > 0
  AND (o.payload_ref = this.payload_ref OR up.filename = this.filename)
ORDER BY o.created_at DESC, o.id DESC LIMIT 50;

-- name: job_videos_due
-- Completed jobs that want a video, of which no video was ordered yet: the first $3 that ended after job $2, at time $1.
SELECT j.id, j.user_id, j.plan #>> '{spec,video}' AS container, j.completed_at FROM jobs j
WHERE j.status = 'COMPLETED' AND j.completed_at >= $1 AND (j.completed_at, j.id) > ($1, $2)
  AND j.plan #>> '{spec,video}' IS NOT NULL
  AND NOT EXISTS (SELECT FROM jobs v WHERE v.job_type = 'video' AND v.plan #>> '{inputs,frames_of}' = j.id::text)
ORDER BY j.completed_at, j.id LIMIT $3;

-- name: job_view_pieces
-- The frames or the tile of each of the units $2.
SELECT w.number, w.frames, w.tile FROM units w WHERE w.job_id = $1 AND w.number = ANY($2::integer[]);

-- name: jobs_beginning
-- At most two ids of jobs from $1 to $2, of one user ($3; null: of all).
SELECT id FROM jobs WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR user_id = $3) ORDER BY id LIMIT 2;
