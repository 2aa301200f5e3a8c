-- The overview, the console's first page. $1: the user; null: all users.

-- name: overview_open_jobs
-- Open jobs by status, and the sums held for them; preflights are left out, as in the next query.
SELECT j.status AS name, count(*) AS count, sum(u.held)::bigint AS held
FROM (SELECT job_id, sum(price) AS held FROM units WHERE ended_at IS NULL GROUP BY job_id) u
JOIN jobs j ON j.id = u.job_id
WHERE split_part(j.job_type, ':', 1) <> 'preflight' AND ($1::uuid IS NULL OR j.user_id = $1)
GROUP BY j.status;

-- name: overview_ended_jobs
-- Jobs that ended since $2, by status.
SELECT status AS name, count(*) AS count FROM jobs
WHERE completed_at >= $2 AND split_part(job_type, ':', 1) <> 'preflight' AND ($1::uuid IS NULL OR user_id = $1)
GROUP BY status;

-- name: overview_nodes
-- Nodes that render by status, without revoked ones; embedded verifiers do not render.
SELECT status AS name, count(*) AS count FROM nodes
WHERE ($1::uuid IS NULL OR owner_id = $1) AND standing <> 'REVOKED' AND NOT is_embedded GROUP BY status;

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

-- name: overview_inbox
-- What waits for an admin: open disputes of creators, payouts to approve, and approved payouts that are not marked as
-- paid.
SELECT (SELECT count(*) FROM disputes WHERE state = 'OPEN' AND NOT by_gateway) AS disputes,
       (SELECT count(*) FROM payouts WHERE state = 'REQUESTED') AS requested,
       (SELECT count(*) FROM payouts WHERE state = 'APPROVED') AS approved;

-- name: overview_inbox_of_owner
-- What waits for the owner of nodes, $1: disputes to answer, quarantined nodes, and nodes that fail often.
SELECT (SELECT count(*) FROM disputes d JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
        WHERE d.state = 'OPEN' AND NOT d.by_gateway AND e.operator_id = $1 AND d.user_id <> $1
          AND NOT EXISTS (SELECT FROM dispute_answers w WHERE w.dispute_id = d.id)) AS disputes,
       (SELECT count(*) FROM nodes WHERE owner_id = $1 AND standing = 'QUARANTINED') AS quarantined,
       (SELECT count(*) FROM nodes
        WHERE owner_id = $1 AND standing <> 'REVOKED' AND failing_since IS NOT NULL) AS failing;

-- name: overview_money
-- Sums of the transfers from $1 to $2, at most a day. Charges are less refunds of units, and earnings less reversals
-- and fines: what is left of a charge beside the earning is the platform's share. The accounts of revenue tell refunds
-- of units from those of purchases, and fines from those that are paid back.
WITH revenue AS (
    SELECT id FROM accounts WHERE name = 'revenue'
    UNION ALL
    SELECT id FROM accounts WHERE shard_of = (SELECT id FROM accounts WHERE name = 'revenue')
), moved AS (
    SELECT kind, amount, debit = ANY (ARRAY(SELECT id FROM revenue)) AS is_from_revenue
    FROM transfers WHERE created_at >= $1 AND created_at < $2
)
SELECT coalesce(sum(amount) FILTER (WHERE kind = 'STRIPE'), 0)::bigint AS bought,
       (coalesce(sum(amount) FILTER (WHERE kind = 'USAGE'), 0)
        - coalesce(sum(amount) FILTER (WHERE kind = 'REFUND' AND is_from_revenue), 0))::bigint AS charged,
       (coalesce(sum(amount) FILTER (WHERE kind IN ('EARNING', 'FINE') AND is_from_revenue), 0)
        - coalesce(sum(amount) FILTER (WHERE kind IN ('REVERSAL', 'FINE') AND NOT is_from_revenue), 0))::bigint
           AS earned,
       coalesce(sum(amount) FILTER (WHERE kind = 'PAYOUT'), 0)::bigint AS paid
FROM moved;

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
-- Count the jobs that ended in each minute since $2, without preflights.
SELECT date_trunc('minute', completed_at) AS minute,
       count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE status = 'FAILED') AS failed
FROM jobs WHERE completed_at >= $2 AND split_part(job_type, ':', 1) <> 'preflight' AND ($1::uuid IS NULL OR user_id = $1)
GROUP BY 1 ORDER BY 1;

-- name: overview_pictures
-- The most recently rendered jobs, each with the thumbnail of its last frame, if there is one, and the frames of its
-- first and last unit. All units but the last have equally many frames; tiles name the unit they feed.
SELECT j.id, j.name, j.completed_at, j.units, w.frames AS first, z.frames AS last, w.feeds, t.frame, t.made_at
FROM jobs j
LEFT JOIN units w ON w.job_id = j.id AND w.number = 0
LEFT JOIN units z ON z.job_id = j.id AND z.number = j.units - 1
LEFT JOIN LATERAL (
    SELECT s.frame, s.made_at FROM thumbnails s WHERE s.job_id = j.id ORDER BY s.frame DESC LIMIT 1
) t ON true
WHERE j.completed_at IS NOT NULL AND j.status = 'COMPLETED' AND j.job_type = 'render'
  AND (j.result_ref IS NOT NULL OR t.frame IS NOT NULL) AND ($1::uuid IS NULL OR j.user_id = $1)
ORDER BY j.completed_at DESC LIMIT $2;

-- name: overview_result
-- The owner and name of a job, and the key of its result; $1: the owner, or null for users who may see every job.
SELECT user_id, name, result_ref FROM jobs
WHERE id = $2 AND status = 'COMPLETED' AND ($1::uuid IS NULL OR user_id = $1);

-- name: overview_farm
-- What the farm's first page shows to everybody: nodes online, the price of a frame, and the newest anchored checkpoint.
SELECT (SELECT count(*) FROM nodes WHERE status = 'HEALTHY' AND standing <> 'REVOKED'
               AND NOT is_embedded) AS nodes,
       coalesce((SELECT units FROM prices WHERE job_type = 'render' ORDER BY number DESC LIMIT 1),
                (SELECT units FROM prices WHERE job_type = '*' ORDER BY number DESC LIMIT 1)) AS price,
       a.size, a.block_number, a.confirmed_at, a.chain_id, a.contract,
       ARRAY(SELECT verifier FROM log_keys ORDER BY added_at) AS keys
FROM (SELECT) one
LEFT JOIN LATERAL (SELECT size, block_number, confirmed_at, chain_id, contract FROM chain_transactions
                   WHERE size IS NOT NULL AND state = 'CONFIRMED'
                   ORDER BY size DESC LIMIT 1) a ON true;
