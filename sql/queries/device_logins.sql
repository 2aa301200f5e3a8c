-- Logins of programs that wait until their user confirms a code in a browser.

-- name: device_login_insert
-- Insert a login that waits; no row if another one has the same code.
INSERT INTO device_logins (sha256, user_code_sha256, client, address, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING sha256;

-- name: device_login_open
-- The login that waits for a user's code.
SELECT client, address, created_at FROM device_logins
WHERE user_code_sha256 = $1 AND expires_at > $2 AND user_id IS NULL AND denied_at IS NULL;

-- name: device_login_confirm
-- Let an active user confirm a login in their session $4; no row if the login does not wait, or the session has ended.
UPDATE device_logins d
SET user_id = u.id, password_sha256 = sha256(convert_to(u.password_hash, 'UTF8')), role = u.role, factor_at = f.factor_at
FROM users u JOIN refresh_families f ON f.user_id = u.id
WHERE d.user_code_sha256 = $1 AND d.expires_at > $2 AND d.user_id IS NULL AND d.denied_at IS NULL
  AND u.id = $3 AND u.is_active AND f.sid = $4 AND f.revoked_at IS NULL AND f.expires_at > $2
RETURNING d.sha256;

-- name: device_login_deny
-- Refuse a login; no row if it does not wait.
UPDATE device_logins SET denied_at = $2
WHERE user_code_sha256 = $1 AND expires_at > $2 AND user_id IS NULL AND denied_at IS NULL
RETURNING sha256;

-- name: device_login_lock
-- A login by the program's code, locked.
SELECT user_id, denied_at, seconds, polled_at, expires_at FROM device_logins WHERE sha256 = $1 FOR UPDATE;

-- name: device_login_poll
-- Note that the program asked, and how long it must wait from now on.
UPDATE device_logins SET polled_at = $2, seconds = $3 WHERE sha256 = $1;

-- name: device_login_end
-- End a login. The user is returned as they were when they confirmed it; no row if they have changed since.
WITH ended AS (DELETE FROM device_logins WHERE sha256 = $1 RETURNING user_id, password_sha256, role, factor_at)
SELECT u.id AS "user", u.password_hash, u.role, e.factor_at IS NOT NULL AS with_factor, e.factor_at
FROM ended e JOIN users u ON u.id = e.user_id
WHERE u.is_active AND u.role = e.role AND sha256(convert_to(u.password_hash, 'UTF8')) = e.password_sha256;

-- name: device_logins_erase
-- Delete the logins that a user has confirmed.
DELETE FROM device_logins WHERE user_id = $1;

-- name: device_logins_purge
-- Delete logins that expired before $1.
DELETE FROM device_logins WHERE expires_at < $1;
