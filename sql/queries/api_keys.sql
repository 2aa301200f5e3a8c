-- name: api_key_insert
-- Insert a key; no row if the user has $9 keys that are not revoked, expired ones included.
INSERT INTO api_keys (id, user_id, name, sha256, hint, scopes, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM api_keys WHERE user_id = $2 AND revoked_at IS NULL) < $9
RETURNING id, name, hint, scopes, created_at, expires_at, used_at;

-- name: api_key_page
-- A user's keys that are not revoked, newest first.
SELECT id, name, hint, scopes, created_at, expires_at, used_at FROM api_keys
WHERE user_id = $1 AND revoked_at IS NULL
ORDER BY created_at DESC, id
LIMIT $2 OFFSET $3;

-- name: api_key_count
-- Count a user's keys that are not revoked.
SELECT count(*) AS count FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL;

-- name: api_key_use
-- Record a use of a key and return its holder; no row unless it is valid now.
UPDATE api_keys SET used_at = $2
FROM users
WHERE sha256 = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
  AND users.id = user_id AND is_active
RETURNING api_keys.id, user_id, scopes, expires_at;

-- name: api_key_revoke
-- Revoke a user's key; no row if it was revoked, or is another user's.
UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
RETURNING id;

-- name: api_keys_revoke
-- Revoke all keys of a user.
UPDATE api_keys SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL
RETURNING id;

-- name: api_keys_erase
-- Delete all keys of a user; those that were valid.
WITH gone AS (DELETE FROM api_keys WHERE user_id = $1 RETURNING id, revoked_at)
SELECT id FROM gone WHERE revoked_at IS NULL;
