-- name: session_user_lock
-- Lock a user against changes of their factors while a login is inserted.
SELECT id FROM users WHERE id = $1 FOR SHARE;

-- name: session_open
-- Insert a login; no row if the user was deactivated, or changed, since the password was checked, or has a second factor
-- that was not given ($9), nor excused ($10). $11: the user signed in at a provider. $12: when the factor was given, if it
-- was not just now.
INSERT INTO refresh_families (sid, user_id, jti, expires_at, client, rotated_at, created_at, factor_at, identity_at)
SELECT $1, id, $3, $4, $5, $6::timestamptz, $6::timestamptz, CASE WHEN $9::boolean THEN coalesce($12::timestamptz, $6::timestamptz) END,
       CASE WHEN $11::boolean THEN $6::timestamptz END
FROM users
WHERE id = $2 AND is_active AND password_hash = $7 AND role = $8
  AND ($9::boolean OR $10::boolean OR NOT EXISTS (SELECT FROM authenticators WHERE user_id = $2)
                  AND NOT EXISTS (SELECT FROM passkeys WHERE user_id = $2))
FOR SHARE
RETURNING sid;

-- name: session_rotate
-- Exchange the family's refresh token $2 for $3; of several at once, one gets the row. The database's clock decides
-- when a token was spent, and deletes those spent longer than $6 ago, as the next request may reach another gateway.
WITH rotated AS (
    UPDATE refresh_families SET jti = $3, expires_at = $4, rotated_at = $5
    FROM users
    WHERE sid = $1 AND jti = $2 AND revoked_at IS NULL AND expires_at > $5
      AND users.id = user_id AND is_active
    RETURNING sid, user_id
), spent AS (
    INSERT INTO spent_refresh_tokens (jti, sid, spent_at) SELECT $2, sid, now() FROM rotated
), forgotten AS (
    DELETE FROM spent_refresh_tokens s USING rotated WHERE s.sid = rotated.sid AND s.spent_at < now() - $6::interval
)
SELECT user_id FROM rotated;

-- name: session_reused
-- End the family of a refresh token that is presented again, unless it was exchanged within the last $4.
UPDATE refresh_families SET revoked_at = $3
WHERE sid = $1 AND jti <> $2 AND revoked_at IS NULL
  AND NOT EXISTS (SELECT FROM spent_refresh_tokens WHERE jti = $2 AND spent_at >= now() - $4::interval)
RETURNING sid, user_id;

-- name: session_touch
-- Extend a login in use until $4. No row if it has ended, or its user is not active.
UPDATE refresh_families SET rotated_at = $3, expires_at = greatest(expires_at, $4)
FROM users
WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
  AND users.id = user_id AND is_active
RETURNING users.role;

-- name: session_factor_given
-- Record that the user gave a second factor in this login; no row if the login has ended.
UPDATE refresh_families SET factor_at = $3
WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
RETURNING sid;

-- name: session_factor
-- When the user last gave a second factor in this login; no row if the login has ended.
SELECT factor_at FROM refresh_families WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3;

-- name: session_identity_given
-- Record that the user signed in at a provider in this login; no row if the login has ended.
UPDATE refresh_families SET identity_at = $3
WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
RETURNING sid;

-- name: session_identity
-- When the user last signed in at a provider in this login; no row if the login has ended.
SELECT identity_at FROM refresh_families WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3;

-- name: session_page
-- A user's open logins, most recently used first.
SELECT sid, client, created_at, rotated_at, expires_at FROM refresh_families
WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
ORDER BY rotated_at DESC, sid
LIMIT $3 OFFSET $4;

-- name: session_count
-- Count a user's open logins.
SELECT count(*) AS count FROM refresh_families
WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2;

-- name: session_end
-- End one login of a user; no row if it had ended, or is another user's.
UPDATE refresh_families SET revoked_at = $3
WHERE sid = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
RETURNING sid;

-- name: session_end_all
-- End all logins of a user but $2, logins by a code that the user has confirmed, and open join codes.
WITH confirmed AS (DELETE FROM device_logins WHERE user_id = $1),
     codes AS (DELETE FROM join_codes WHERE owner_id = $1 AND used_at IS NULL)
UPDATE refresh_families SET revoked_at = $3
WHERE user_id = $1 AND sid IS DISTINCT FROM $2 AND revoked_at IS NULL
RETURNING sid;

-- name: session_ended_now
-- The logins of a user that a trigger ended in this transaction.
SELECT sid FROM refresh_families WHERE user_id = $1 AND revoked_at = now();

-- name: session_purge
-- Delete logins long after they expired.
DELETE FROM refresh_families WHERE expires_at < $1;

-- name: sessions_erase
-- Delete all logins of a user, also those that have ended.
DELETE FROM refresh_families WHERE user_id = $1;
