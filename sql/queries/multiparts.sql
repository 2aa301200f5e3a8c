-- name: multipart_of
-- The multipart upload of an upload.
SELECT upload_id, store_id, object_key FROM multiparts WHERE upload_id = $1;

-- name: multipart_keep
-- Store the multipart upload of an upload; of two at once, the first is kept.
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
-- Some without activity since $1.
SELECT upload_id, store_id, object_key FROM multiparts
WHERE asked_at < $1 ORDER BY asked_at LIMIT 100;
