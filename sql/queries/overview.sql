-- The overview, the console's first page. $1: the user; null: all users.

-- name: overview_open_jobs
-- Open jobs by status, and the sums held for them.
SELECT j.status AS name, count(*) AS count, sum(u.held)::bigint AS held
FROM (SELECT job_id, sum(price) AS held FROM units WHERE ended_at IS NULL GROUP BY job_id) u
JOIN jobs j ON j.id = u.job_id
WHERE $1::uuid IS NULL OR j.user_id = $1
GROUP BY j.status;

-- name: overview_ended_jobs
-- Jobs that ended since $2, by status.
SELECT status AS name, count(*) AS count FROM jobs
WHERE completed_at >= $2 AND ($1::uuid IS NULL OR user_id = $1)
GROUP BY status;

-- name: overview_nodes
-- Nodes by status, without revoked ones.
SELECT status AS name, count(*) AS count FROM nodes
WHERE ($1::uuid IS NULL OR owner_id = $1) AND standing <> 'REVOKED' GROUP BY status;

-- name: overview_held_of_all
-- The sum of open holds.
SELECT coalesce(sum(amount), 0)::bigint AS held FROM holds WHERE state = 'OPEN';

-- name: overview_charged_of_all
-- Charges for work since $1, and their refunded part.
SELECT coalesce(sum(t.amount) FILTER (WHERE t.kind = 'USAGE'), 0)::bigint AS charged,
       coalesce(sum(t.amount) FILTER (WHERE t.kind = 'REFUND' AND EXISTS (
           SELECT FROM transfers u
           WHERE u.subject = t.subject AND u.kind = 'USAGE' AND u.created_at >= $1
             AND u.reference = regexp_replace(t.reference, '^dispute:', 'job:')
       )), 0)::bigint AS refunded
FROM transfers t WHERE t.created_at >= $1 AND t.kind IN ('USAGE', 'REFUND');

-- name: overview_credits_of_user
-- A user's balance and held amount, charges for work since $2 and their refunded part, and unpaid earnings of the
-- user's nodes (null: they never earned).
SELECT a.balance, a.held,
       (SELECT o.balance FROM accounts o WHERE o.name = 'operator:' || $1::uuid::text) AS earned,
       (SELECT coalesce(sum(t.amount), 0)::bigint FROM transfers t
        WHERE t.created_at >= $2 AND t.kind = 'USAGE' AND t.debit = a.id) AS charged,
       (SELECT coalesce(sum(t.amount), 0)::bigint FROM transfers t
        JOIN transfers u ON u.subject = a.id AND u.kind = 'USAGE' AND u.created_at >= $2
                        AND u.reference = regexp_replace(t.reference, '^dispute:', 'job:')
        WHERE t.created_at >= $2 AND t.kind = 'REFUND' AND t.subject = a.id) AS refunded
FROM accounts a WHERE a.name = 'user:' || $1::uuid::text;

-- name: overview_log
-- The progress of the log: numbers of leaves, of transfers that wait for one, of signed and anchored leaves, and the
-- time of the first transfer that is not anchored.
SELECT h.size, (SELECT count(*) FROM transfers WHERE id > h.covered) AS waiting,
       signed.size AS signed, signed.at AS signed_at,
       anchored.size AS anchored, anchored.confirmed_at AS anchored_at,
       (SELECT t.created_at FROM leaves l JOIN transfers t ON t.id = l.transfer
        WHERE l.leaf_index = coalesce(anchored.size, 0)) AS unanchored_since
FROM log_head h
LEFT JOIN LATERAL (SELECT size, at FROM checkpoints ORDER BY size DESC LIMIT 1) signed ON true
LEFT JOIN LATERAL (SELECT size, confirmed_at FROM chain_transactions
                   WHERE size IS NOT NULL AND state = 'CONFIRMED'
                   ORDER BY size DESC LIMIT 1) anchored ON true;

-- name: overview_throughput
-- Count the jobs that ended in each minute since $2.
SELECT date_trunc('minute', completed_at) AS minute,
       count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE status = 'FAILED') AS failed
FROM jobs WHERE completed_at >= $2 AND ($1::uuid IS NULL OR user_id = $1)
GROUP BY 1 ORDER BY 1;

-- name: overview_pictures
-- The most recently rendered jobs, each with the thumbnail of its last frame, if there is one, and the frames of its
-- first and last unit. All units but the last have equally many frames; tiles name the unit they feed.
SELECT j.id, j.completed_at, j.units, w.frames AS first, z.frames AS last, w.feeds, t.frame, t.made_at,
       coalesce(up.filename, substring(j.payload_ref FROM '[^/]+$')) AS file
FROM jobs j
LEFT JOIN uploads up ON up.user_id = j.user_id
      AND up.sha256 = decode(substring(j.payload_ref FROM '/([0-9a-f]{64})[^/]*$'), 'hex')
LEFT JOIN units w ON w.job_id = j.id AND w.number = 0
LEFT JOIN units z ON z.job_id = j.id AND z.number = j.units - 1
LEFT JOIN LATERAL (
    SELECT s.frame, s.made_at FROM thumbnails s WHERE s.job_id = j.id ORDER BY s.frame DESC LIMIT 1
) t ON true
WHERE j.completed_at IS NOT NULL AND j.status = 'COMPLETED' AND j.job_type = 'render'
  AND (j.result_ref IS NOT NULL OR t.frame IS NOT NULL) AND ($1::uuid IS NULL OR j.user_id = $1)
ORDER BY j.completed_at DESC LIMIT $2;

-- name: overview_result
-- The owner and the key of a job's result; $1: the owner, or null for users who may see every job.
SELECT user_id, result_ref FROM jobs
WHERE id = $2 AND status = 'COMPLETED' AND ($1::uuid IS NULL OR user_id = $1);

-- name: overview_farm
-- What the farm's first page shows to everybody: nodes online, the price of a frame, and the newest anchored checkpoint.
SELECT (SELECT count(*) FROM nodes WHERE status = 'HEALTHY' AND standing <> 'REVOKED') AS nodes,
       coalesce((SELECT units FROM prices WHERE job_type = 'render' ORDER BY number DESC LIMIT 1),
                (SELECT units FROM prices WHERE job_type = '*' ORDER BY number DESC LIMIT 1)) AS price,
       a.size, a.block_number, a.confirmed_at, a.chain_id, a.contract,
       ARRAY(SELECT verifier FROM log_keys ORDER BY added_at) AS keys
FROM (SELECT) one
LEFT JOIN LATERAL (SELECT size, block_number, confirmed_at, chain_id, contract FROM chain_transactions
                   WHERE size IS NOT NULL AND state = 'CONFIRMED'
                   ORDER BY size DESC LIMIT 1) a ON true;
