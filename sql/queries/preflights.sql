-- Preflight results, once per content and user.

-- name: preflight_of
-- The preflight of a content, with the state of its job.
SELECT p.job_id, p.asked_at, p.facts, j.status, j.error_message, u.result_key, u.node_id,
       coalesce(n.is_embedded, false) AS by_embedded
FROM preflights p
LEFT JOIN jobs j ON j.id = p.job_id AND j.user_id = p.user_id
LEFT JOIN units u ON u.job_id = p.job_id AND u.number = 0
LEFT JOIN nodes n ON n.id = u.node_id
WHERE p.user_id = $1 AND p.content = $2;

-- name: preflight_begin
-- Record the job of a preflight, unless another has replaced the previous one ($5).
INSERT INTO preflights (user_id, content, job_id, asked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, content) DO UPDATE SET job_id = $3, asked_at = $4, facts = NULL
WHERE preflights.job_id = $5
RETURNING job_id;

-- name: preflight_found
-- Store the result.
UPDATE preflights SET facts = $3 WHERE job_id = $2 AND user_id = $1;

-- name: preflight_count
-- Count a user's preflights since a time, repeats too, and return the time of the first. A job may not be inserted yet.
SELECT count(DISTINCT job_id) AS count, min(asked_at) AS first FROM (
    SELECT job_id, asked_at FROM preflights WHERE user_id = $1 AND asked_at > $2
    UNION ALL
    SELECT id, created_at FROM jobs WHERE user_id = $1 AND created_at > $2 AND job_type = 'preflight'
) AS recent;

-- name: preflight_expire
-- Delete preflights that were requested before $1.
DELETE FROM preflights WHERE asked_at < $1;

-- name: preflights_erase
-- Delete the preflights of a user.
DELETE FROM preflights WHERE user_id = $1;
