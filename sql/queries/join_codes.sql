-- Codes with which machines join as nodes of a user. A revoked code is deleted.

-- name: join_code_insert
-- Insert a code; no row if user $2 has $7 open ones.
INSERT INTO join_codes (id, owner_id, sha256, gateway_key, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM join_codes WHERE owner_id = $2 AND used_at IS NULL AND expires_at > $5) < $7
RETURNING id;

-- name: join_code_page
-- A user's codes, newest first: those open at $2, and those used since $3. `is_anothers`: the machine that used it was
-- the node of another user already, and still is.
SELECT c.id, c.created_at, c.expires_at, c.used_at, c.node_id, n.name, n.status, n.verified_at AS ready_at,
       coalesce(n.owner_id <> c.owner_id, false) AS is_anothers
FROM join_codes c LEFT JOIN nodes n ON n.id = c.node_id
WHERE c.owner_id = $1 AND CASE WHEN c.used_at IS NULL THEN c.expires_at > $2 ELSE c.used_at > $3 END
ORDER BY c.created_at DESC, c.id DESC LIMIT $4;

-- name: join_code_revoke
-- Delete a user's code; no row if it is another user's, was used, or was revoked before.
DELETE FROM join_codes WHERE id = $1 AND owner_id = $2 AND used_at IS NULL RETURNING id;

-- name: join_code_open
-- The id of an open code of an active user, for a gateway with one of the keys $2.
SELECT c.id FROM join_codes c JOIN users u ON u.id = c.owner_id
WHERE c.sha256 = $1 AND c.gateway_key = ANY($2::bytea[]) AND c.used_at IS NULL AND c.expires_at > $3 AND u.is_active;

-- name: join_code_lock
-- The same code with its owner, locked.
SELECT c.id, c.owner_id FROM join_codes c JOIN users u ON u.id = c.owner_id
WHERE c.sha256 = $1 AND c.gateway_key = ANY($2::bytea[]) AND c.used_at IS NULL AND c.expires_at > $3 AND u.is_active
FOR UPDATE OF c;

-- name: join_code_use
-- Note the node that used a code.
UPDATE join_codes SET used_at = $2, node_id = $3 WHERE id = $1;

-- name: join_codes_purge
-- Delete codes that expired before $1.
DELETE FROM join_codes WHERE expires_at < $1;

-- name: join_codes_erase
-- Delete all codes of a user.
DELETE FROM join_codes WHERE owner_id = $1;
