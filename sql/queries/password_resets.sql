-- Tokens with which users choose a new password.

-- name: password_reset_insert
-- Insert a token of a user. $6: the admin who made it, if one did.
INSERT INTO password_resets (sha256, user_id, expires_at, created_at, mailed, made_by)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: password_reset_user
-- The user of a token that is valid now.
SELECT r.user_id FROM password_resets r JOIN users u ON u.id = r.user_id
WHERE r.sha256 = $1 AND r.expires_at > $2 AND u.is_active;

-- name: password_reset_use
-- Delete all tokens of a user if one of them is $2 and is valid now.
DELETE FROM password_resets r WHERE r.user_id = $1
  AND EXISTS (SELECT FROM password_resets o WHERE o.sha256 = $2 AND o.user_id = $1 AND o.expires_at > $3)
RETURNING r.sha256, r.mailed;

-- name: password_resets_end
-- Delete all tokens of a user.
DELETE FROM password_resets WHERE user_id = $1;

-- name: password_resets_purge
-- Delete tokens that expired before $1.
DELETE FROM password_resets WHERE expires_at < $1;
