-- Results that come in parts: begun and ended by the session of their node, abandoned ones by web.

-- name: result_multipart_of
-- What the store has begun for a part of what a unit's attempt made.
SELECT job_id, unit, attempt, what, store_id, object_key, size FROM result_multiparts
WHERE job_id = $1 AND unit = $2 AND attempt = $3 AND what = $4;

-- name: result_multipart_keep
-- Begun for it; where two did so at once, the first stands.
INSERT INTO result_multiparts (job_id, unit, attempt, what, store_id, object_key, size, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (job_id, unit, attempt, what) DO UPDATE SET asked_at = excluded.asked_at
RETURNING job_id, unit, attempt, what, store_id, object_key, size;

-- name: result_multipart_end
-- The store has completed or aborted it, or knows nothing of it.
DELETE FROM result_multiparts
WHERE job_id = $1 AND unit = $2 AND attempt = $3 AND what = $4 AND store_id = $5;

-- name: result_multipart_abandoned
-- Some of those that nobody has gone on with since $1; of attempts that are over, since $2.
SELECT m.job_id, m.unit, m.attempt, m.what, m.store_id, m.object_key, m.size FROM result_multiparts m
JOIN units u ON u.job_id = m.job_id AND u.number = m.unit
WHERE m.asked_at < $1 OR (m.asked_at < $2
      AND (u.attempt <> m.attempt OR u.state NOT IN ('DISPATCHED', 'RUNNING')))
ORDER BY m.asked_at LIMIT 100;
