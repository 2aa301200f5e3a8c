-- What nodes said last of attempts that failed.

-- name: attempt_log_keep
-- Keep it, if the unit is this node's at this attempt; of a job those of the newest $7 attempts stay.
WITH older AS (
    DELETE FROM attempt_logs l
    WHERE l.job_id = $1 AND (l.unit, l.attempt) IN (
        SELECT o.unit, o.attempt FROM attempt_logs o WHERE o.job_id = $1
        ORDER BY o.said_at DESC, o.unit, o.attempt OFFSET $7::integer - 1)
)
INSERT INTO attempt_logs (job_id, unit, attempt, node_id, lines, said_at)
SELECT $1, $2, $3, $4::uuid, $5::text, $6::timestamptz FROM units u
WHERE u.job_id = $1 AND u.number = $2
  AND ((u.attempt = $3 AND u.node_id = $4) OR (u.copy_attempt = $3 AND u.copy_node_id = $4)
       OR EXISTS (SELECT FROM attempts a WHERE a.job_id = $1 AND a.number = $2 AND a.attempt = $3 AND a.node_id = $4))
ON CONFLICT DO NOTHING;

-- name: attempt_logs
-- The last $3 attempts of a job (of its unit $2, if that is not null) that failed, each with what its node
-- said last, where that is kept; the newest first.
SELECT a.number AS unit, u.frames, a.attempt, a.node_id, a.ended_at, a.error_class, a.error,
       coalesce(l.lines, '') AS lines
FROM attempts a
JOIN units u ON u.job_id = a.job_id AND u.number = a.number
LEFT JOIN attempt_logs l ON l.job_id = a.job_id AND l.unit = a.number AND l.attempt = a.attempt
WHERE a.job_id = $1 AND ($2::integer IS NULL OR a.number = $2)
  AND (a.error_class IS NOT NULL OR l.lines IS NOT NULL)
ORDER BY a.ended_at DESC, a.number DESC, a.attempt DESC LIMIT $3;

-- name: attempt_logs_expire
-- Those of jobs that ended before $1 go, of some $2 jobs at once.
WITH old AS (
    SELECT j.id FROM jobs j WHERE j.completed_at < $1 AND EXISTS (SELECT FROM attempt_logs l WHERE l.job_id = j.id)
    ORDER BY j.completed_at LIMIT $2
)
DELETE FROM attempt_logs l USING old WHERE l.job_id = old.id
RETURNING l.job_id;
