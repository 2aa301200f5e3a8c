-- The last log lines of ended attempts.

-- name: attempt_log_keep
-- Store the log of an attempt that succeeded ($8) or failed, if this node has or had it. Each job keeps the newest $7
-- logs of either kind.
WITH older AS (
    DELETE FROM attempt_logs l
    WHERE l.job_id = $1 AND (l.unit, l.attempt) IN (
        SELECT o.unit, o.attempt FROM attempt_logs o WHERE o.job_id = $1 AND o.completed = $8
        ORDER BY o.said_at DESC, o.unit, o.attempt OFFSET $7::integer - 1)
)
INSERT INTO attempt_logs (job_id, unit, attempt, node_id, lines, said_at, completed)
SELECT $1, $2, $3, $4::uuid, $5::text, $6::timestamptz, $8 FROM units u
WHERE u.job_id = $1 AND u.number = $2
  AND ((u.attempt = $3 AND u.node_id = $4) OR (u.copy_attempt = $3 AND u.copy_node_id = $4)
       OR EXISTS (SELECT FROM attempts a WHERE a.job_id = $1 AND a.number = $2 AND a.attempt = $3 AND a.node_id = $4))
ON CONFLICT DO NOTHING;

-- name: attempt_logs
-- The last $3 failed attempts of a job (of unit $2, if given), each with its log if one is kept, and the last $3
-- successful ones that have a log; newest first.
WITH failed AS (
    SELECT a.number AS unit, u.frames, a.attempt, a.node_id, a.ended_at, a.error_class, a.error,
           coalesce(l.lines, '') AS lines, false AS completed
    FROM attempts a
    JOIN units u ON u.job_id = a.job_id AND u.number = a.number
    LEFT JOIN attempt_logs l ON l.job_id = a.job_id AND l.unit = a.number AND l.attempt = a.attempt
    WHERE a.job_id = $1 AND ($2::integer IS NULL OR a.number = $2)
      AND (a.error_class IS NOT NULL OR l.lines IS NOT NULL)
    ORDER BY a.ended_at DESC, a.number DESC, a.attempt DESC LIMIT $3
), well AS (
    SELECT l.unit, u.frames, l.attempt, l.node_id, l.said_at AS ended_at, NULL AS error_class, NULL AS error,
           l.lines, true AS completed
    FROM attempt_logs l
    JOIN units u ON u.job_id = l.job_id AND u.number = l.unit
    WHERE l.job_id = $1 AND ($2::integer IS NULL OR l.unit = $2) AND l.completed
      AND NOT EXISTS (SELECT FROM attempts a
                      WHERE a.job_id = l.job_id AND a.number = l.unit AND a.attempt = l.attempt)
    ORDER BY l.said_at DESC, l.unit DESC, l.attempt DESC LIMIT $3
)
SELECT * FROM failed UNION ALL SELECT * FROM well
ORDER BY ended_at DESC, unit DESC, attempt DESC;

-- name: attempt_logs_expire
-- Delete the logs of up to $2 jobs that ended before $1.
WITH old AS (
    SELECT j.id FROM jobs j WHERE j.completed_at < $1 AND EXISTS (SELECT FROM attempt_logs l WHERE l.job_id = j.id)
    ORDER BY j.completed_at LIMIT $2
)
DELETE FROM attempt_logs l USING old WHERE l.job_id = old.id
RETURNING l.job_id;
