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
-- A page of a user's jobs, newest first: those older than job $4, if given. The conditions use an index, so a late
-- page costs as much as the first. The inner query chooses the page: beside the costs of the refunds, two indexes would
-- look equally good to the planner.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded
FROM (
    SELECT * FROM jobs
    WHERE user_id = $1
      AND (created_at, id) < (
          coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC
    LIMIT $2 OFFSET $3
) j
ORDER BY j.created_at DESC, j.id DESC;

-- name: jobs_of_user_with_status
-- Like jobs_of_user, for jobs with status $5. It is a separate query, as an optional condition could not use an index.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded
FROM (
    SELECT * FROM jobs
    WHERE user_id = $1 AND status = $5
      AND (created_at, id) < (
          coalesce((SELECT created_at FROM jobs WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC
    LIMIT $2 OFFSET $3
) j
ORDER BY j.created_at DESC, j.id DESC;

-- name: jobs_count
-- Count a user's jobs.
SELECT count(*) FROM jobs WHERE user_id = $1;

-- name: jobs_count_with_status
-- Count a user's jobs with one status.
SELECT count(*) FROM jobs WHERE user_id = $1 AND status = $2;

-- name: job_is_of_user
-- A row if the job belongs to the user, so that a page may begin after it.
SELECT FROM jobs WHERE id = $2 AND user_id = $1;

-- name: job_of_user
-- A job, if the user is its owner.
SELECT j.*, j.units - j.open_units - j.failed_units - j.cancelled_units AS done, j.failed_units AS failed,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = j.id::text) AS refunded
FROM jobs j WHERE j.id = $1 AND j.user_id = $2;

-- name: job_result
-- Size and SHA-256 of the result of a job with one unit, as its node reported them, and whether it has been deleted.
SELECT u.result_size AS size, u.result_sha256 AS sha256,
       EXISTS (SELECT FROM expired_results x WHERE x.job_id = u.job_id AND x.unit = u.number) AS expired
FROM units u WHERE u.job_id = $1 AND u.state = 'COMPLETED' ORDER BY u.number LIMIT 1;

-- name: job_to_retry
-- A job of user $2 (null: of any user) as it was submitted, and the job that repeats it.
SELECT j.id, j.user_id, j.job_type, j.payload_ref, j.plan, j.status, j.price,
       j.units, (SELECT u.frames FROM units u WHERE u.job_id = j.id AND u.number = 0) AS frames,
       (SELECT r.id FROM jobs r WHERE r.retry_of = j.id) AS retried_by
FROM jobs j WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2);

-- name: unit_page
-- A page of a job's units by number: those above $2. A render of a single frame has its frame in the parameters.
-- verified: a verifier compared or opened the result, and no dispute of it was upheld. The result of a unit that waits
-- for its verdict is contained, too.
SELECT u.number, u.frames, u.tile, u.state, u.attempt,
       CASE WHEN u.state <> 'QUEUED' THEN u.node_id END AS node_id, u.price,
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
-- A page of the newest $10 jobs that match, sorted by $11 ('-': descending).
SELECT f.id, f.job_type, f.status, f.user_id, u.email, f.node_id, n.name AS node_name, f.price,
       f.retry_count, f.retry_of, f.error_message, f.created_at, f.completed_at,
       f.result_ref IS NOT NULL AND f.job_type = 'render' AS has_picture,
       (SELECT r.id FROM jobs r WHERE r.retry_of = f.id) AS retried_by,
       f.charged,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM unit_refunds r WHERE r.job_id = f.id::text) AS refunded,
       coalesce(up.filename, substring(f.payload_ref FROM '[^/]+$')) AS file
FROM jobs_found($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) f
JOIN users u ON u.id = f.user_id
LEFT JOIN uploads up ON up.user_id = f.user_id
      AND up.sha256 = decode(substring(f.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')
LEFT JOIN nodes n ON n.id = f.node_id
ORDER BY CASE $11::text WHEN 'type' THEN f.job_type WHEN 'status' THEN f.status
                        WHEN 'user' THEN u.email WHEN 'node' THEN n.name END,
         CASE $11 WHEN '-type' THEN f.job_type WHEN '-status' THEN f.status
                  WHEN '-user' THEN u.email WHEN '-node' THEN n.name END DESC NULLS LAST,
         CASE $11 WHEN 'price' THEN f.price
                  WHEN 'took' THEN 1000 * extract(epoch FROM f.completed_at - f.created_at) END,
         CASE $11 WHEN '-price' THEN f.price
                  WHEN '-took' THEN 1000 * extract(epoch FROM f.completed_at - f.created_at)
         END DESC NULLS LAST,
         CASE $11 WHEN 'created' THEN f.created_at END,
         f.created_at DESC, f.id DESC
LIMIT $12 OFFSET $13;

-- name: job_view_counts
-- The number of matching jobs by status, among the newest $10 that match the filter.
SELECT status AS name, count(*) AS count FROM jobs_found($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
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
SELECT j.id, j.user_id, u.email, u.name AS user_name, j.node_id, n.name AS node_name, j.job_type,
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
       (SELECT w.number FROM units w WHERE w.job_id = j.id AND w.state = 'QUEUED' AND w.missing = 0
        ORDER BY w.place, w.number LIMIT 1) AS next_unit,
       coalesce(up.filename, substring(j.payload_ref FROM '[^/]+$')) AS file
FROM jobs j
JOIN users u ON u.id = j.user_id
LEFT JOIN uploads up ON up.user_id = j.user_id
      AND up.sha256 = decode(substring(j.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')
LEFT JOIN nodes n ON n.id = j.node_id
WHERE j.id = $2 AND ($1::uuid IS NULL OR j.user_id = $1);

-- name: job_view_units
-- The first 100 units of a job, with the verdicts on their last attempts.
SELECT w.number, w.frames, w.tile, w.state, w.attempt, w.node_id, n.name AS node_name, w.assigned_at,
       w.started_at, w.ended_at, w.not_before, w.failures, w.error_class, w.error_message, w.verified,
       w.result_size, w.result_sha256, CASE WHEN d.id IS NULL THEN c.verdict ELSE 'refunded' END AS verdict,
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
SELECT w.number, w.frames, w.state, w.attempt, n.name AS node_name, w.missing, w.error_message,
       w.started_at, w.ended_at, w.result_size, w.result_key IS NOT NULL AS has_result,
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
       a.ended_at, a.error_class, a.error, c.verdict, c.said
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

-- name: job_view_pieces
-- The frames or the tile of each of the units $2.
SELECT w.number, w.frames, w.tile FROM units w WHERE w.job_id = $1 AND w.number = ANY($2::integer[]);
