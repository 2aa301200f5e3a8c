-- name: upload_announce
-- Announce content, or find this user's upload of it; until the content has arrived, the last announcement counts.
INSERT INTO uploads AS u (id, user_id, sha256, size, filename, object_key)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, sha256) DO UPDATE SET
    size = CASE WHEN u.completed_at IS NULL THEN excluded.size ELSE u.size END,
    filename = CASE WHEN u.completed_at IS NULL THEN excluded.filename ELSE u.filename END,
    object_key = CASE WHEN u.completed_at IS NULL THEN excluded.object_key ELSE u.object_key END,
    used_at = now()
RETURNING id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at;

-- name: upload_by_id
-- An upload, only for its owner.
SELECT id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at
FROM uploads WHERE id = $1 AND user_id = $2;

-- name: upload_complete
-- Record that the object was found in the store, as announced.
UPDATE uploads SET completed_at = coalesce(completed_at, $3)
WHERE id = $1 AND user_id = $2 AND expired_at IS NULL
RETURNING id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at;

-- name: upload_by_key
-- The caller's completed upload that a payload reference into our bucket names.
SELECT id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at
FROM uploads WHERE user_id = $1 AND object_key = $2 AND completed_at IS NOT NULL
  AND expired_at IS NULL;

-- name: uploads_completed
-- Those of the uploads that belong to the user and are complete.
SELECT id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at
FROM uploads WHERE user_id = $1 AND id = ANY($2::uuid[]) AND completed_at IS NOT NULL
  AND expired_at IS NULL;

-- name: upload_by_content
-- A user's upload with a given content.
SELECT id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at
FROM uploads WHERE user_id = $1 AND sha256 = $2;

-- name: uploads_erase
-- Have a user's uploads deleted by the next sweep, once no dispute can need them any more.
UPDATE uploads SET filename = 'deleted', used_at = 'epoch' WHERE user_id = $1;
