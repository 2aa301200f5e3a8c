-- Preflight results, for each user and content the newest few.

-- name: preflights_of
-- The newest $3 preflights of a content, newest first, with the states of their jobs.
SELECT p.number, p.job_id, p.asked_at, p.first_frame, p.last_frame, p.facts, j.status, j.error_message, u.result_key, u.node_id,
       coalesce(n.is_embedded, false) AS by_embedded
FROM preflights p
LEFT JOIN jobs j ON j.id = p.job_id AND j.user_id = p.user_id
LEFT JOIN units u ON u.job_id = p.job_id AND u.number = 0
LEFT JOIN nodes n ON n.id = u.node_id
WHERE p.user_id = $1 AND p.content = $2
ORDER BY p.number DESC LIMIT $3;

-- name: preflight_begin
-- Insert a preflight with the number $3, unless one has it, and delete those that are older than the newest $8.
WITH begun AS (
    INSERT INTO preflights (user_id, content, number, job_id, asked_at, first_frame, last_frame)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
    RETURNING number
), deleted AS (
    DELETE FROM preflights WHERE user_id = $1 AND content = $2 AND number <= (SELECT number FROM begun) - $8::integer
)
SELECT number FROM begun;

-- name: preflight_found
-- Store the result.
UPDATE preflights SET facts = $3 WHERE job_id = $2 AND user_id = $1;

-- name: preflight_count
-- Count a user's preflights since a time, repeats too, and return the time of the first. A job may not be inserted yet.
SELECT count(DISTINCT job_id) AS count, min(asked_at) AS first FROM (
    SELECT job_id, asked_at FROM preflights WHERE user_id = $1 AND asked_at > $2
    UNION ALL
    SELECT id, created_at FROM jobs WHERE user_id = $1 AND created_at > $2
      AND split_part(job_type, ':', 1) = 'preflight'
) AS recent;

-- name: preflight_expire
-- Delete preflights that were requested before $1.
DELETE FROM preflights WHERE asked_at < $1;

-- name: preflights_erase
-- Delete the preflights of a user.
DELETE FROM preflights WHERE user_id = $1;
