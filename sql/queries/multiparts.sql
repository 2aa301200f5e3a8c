-- Multipart uploads: the web handles those of inputs, node sessions those of results. The web removes abandoned ones.

-- name: multipart_of
-- The multipart upload of an upload.
SELECT upload_id, store_id, object_key FROM multiparts WHERE upload_id = $1;

-- name: multipart_keep
-- Store the multipart upload of an upload; if two begin at once, the first is kept.
INSERT INTO multiparts (upload_id, store_id, object_key, asked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (upload_id) DO UPDATE SET asked_at = excluded.asked_at
RETURNING upload_id, store_id, object_key;

-- name: multipart_asked
-- Record activity.
UPDATE multiparts SET asked_at = $3 WHERE upload_id = $1 AND store_id = $2;

-- name: multipart_end
-- Delete the record: the store has completed or aborted the upload, or does not know it.
DELETE FROM multiparts WHERE upload_id = $1 AND store_id = $2;

-- name: multipart_abandoned
-- Some multipart uploads without activity since $1.
SELECT upload_id, store_id, object_key FROM multiparts
WHERE asked_at < $1 ORDER BY asked_at LIMIT 100;

-- name: result_multipart_of
-- The multipart upload of an attempt's result or evidence.
SELECT job_id, unit, attempt, what, store_id, object_key, size FROM result_multiparts
WHERE job_id = $1 AND unit = $2 AND attempt = $3 AND what = $4;

-- name: result_multipart_keep
-- Store a multipart upload; if two begin at once, the first is kept.
INSERT INTO result_multiparts (job_id, unit, attempt, what, store_id, object_key, size, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (job_id, unit, attempt, what) DO UPDATE SET asked_at = excluded.asked_at
RETURNING job_id, unit, attempt, what, store_id, object_key, size;

-- name: result_multipart_end
-- Delete the record: the store has completed or aborted the upload, or does not know it.
DELETE FROM result_multiparts
WHERE job_id = $1 AND unit = $2 AND attempt = $3 AND what = $4 AND store_id = $5;

-- name: result_multipart_abandoned
-- Some multipart uploads without activity since $1; if the attempt has ended, since $2.
SELECT m.job_id, m.unit, m.attempt, m.what, m.store_id, m.object_key, m.size FROM result_multiparts m
JOIN units u ON u.job_id = m.job_id AND u.number = m.unit
WHERE m.asked_at < $1 OR (m.asked_at < $2
      AND NOT (m.attempt = u.attempt AND u.state IN ('DISPATCHED', 'RUNNING'))
      AND NOT (m.attempt = u.copy_attempt AND u.copy_node_id IS NOT NULL AND u.copy_delivered_at IS NULL))
ORDER BY m.asked_at LIMIT 100;
