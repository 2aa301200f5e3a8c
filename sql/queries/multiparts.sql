-- name: multipart_of
-- What the store has begun for an upload.
SELECT upload_id, store_id, object_key FROM multiparts WHERE upload_id = $1;

-- name: multipart_keep
-- Begun for an upload; where two did so at once, the first stands.
INSERT INTO multiparts (upload_id, store_id, object_key, asked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (upload_id) DO UPDATE SET asked_at = excluded.asked_at
RETURNING upload_id, store_id, object_key;

-- name: multipart_asked
-- Somebody goes on with it.
UPDATE multiparts SET asked_at = $3 WHERE upload_id = $1 AND store_id = $2;

-- name: multipart_end
-- The store has completed or aborted it, or knows nothing of it.
DELETE FROM multiparts WHERE upload_id = $1 AND store_id = $2;

-- name: multipart_abandoned
-- Those that nobody has gone on with since $1, some at a time.
SELECT upload_id, store_id, object_key FROM multiparts
WHERE asked_at < $1 ORDER BY asked_at LIMIT 100;
