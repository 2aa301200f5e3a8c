-- Second factors of users: authenticator apps, recovery codes, and sign-ins that wait for a factor.

-- name: factor_state
-- The factors of a user.
SELECT a.confirmed_at AS app_since,
       (SELECT count(*) FROM passkeys p WHERE p.user_id = $1) AS passkeys,
       (SELECT count(*) FROM recovery_codes r WHERE r.user_id = $1) AS recovery_codes
FROM (SELECT $1::uuid AS id) u LEFT JOIN authenticators a ON a.user_id = u.id;

-- name: authenticator_start
-- Set up an app with a new secret, in place of one that was not confirmed; no row if the user has a confirmed app.
INSERT INTO authenticators AS a (user_id, sealed, failing_since, created_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (user_id) DO UPDATE SET sealed = $2, failing_since = $3, created_at = $3
WHERE a.confirmed_at IS NULL
RETURNING user_id;

-- name: authenticator_unconfirmed
-- The sealed secret of an app that is not confirmed yet.
SELECT sealed FROM authenticators WHERE user_id = $1 AND confirmed_at IS NULL;

-- name: authenticator_try
-- Count a try of a code before the code is checked. No row if there were $3 wrong codes within $4, or no app that is
-- confirmed ($5), or not confirmed yet.
UPDATE authenticators
SET failures = CASE WHEN failing_since > $2::timestamptz - $4::interval THEN failures + 1 ELSE 1 END,
    failing_since = CASE WHEN failing_since > $2::timestamptz - $4::interval AND failures > 0 THEN failing_since
                         ELSE $2::timestamptz END
WHERE user_id = $1 AND (confirmed_at IS NOT NULL) = $5::boolean
  AND (failures < $3 OR failing_since <= $2::timestamptz - $4::interval)
RETURNING sealed, last_step;

-- name: authenticator_use
-- Use the code of step $2 of the app with the sealed secret $3; no row if this code, or a newer one, was used. The app
-- is now confirmed. $4: the secret, sealed again.
UPDATE authenticators
SET last_step = $2, failures = 0, sealed = $4, confirmed_at = coalesce(confirmed_at, $5)
WHERE user_id = $1 AND last_step < $2 AND sealed = $3
RETURNING user_id;

-- name: authenticator_remove
-- Delete the app of a user.
DELETE FROM authenticators WHERE user_id = $1 RETURNING user_id;

-- name: recovery_code_use
-- Use a recovery code: it is deleted. No row if there is no such code.
DELETE FROM recovery_codes WHERE user_id = $1 AND sha256 = $2 RETURNING user_id;

-- name: recovery_codes_delete
-- Delete all recovery codes of a user.
DELETE FROM recovery_codes WHERE user_id = $1;

-- name: recovery_codes_insert
-- Insert recovery codes of a user.
INSERT INTO recovery_codes (user_id, sha256, created_at) SELECT $1, unnest($2::bytea[]), $3;

-- name: factor_user_lock
-- Lock a user while their factors change; no row unless the user is active.
SELECT id FROM users WHERE id = $1 AND is_active FOR UPDATE;

-- name: pending_sign_in_insert
-- Insert a sign-in that waits for a factor, if the user is active and has not changed.
INSERT INTO pending_sign_ins (sha256, user_id, password_sha256, role, expires_at, created_at)
SELECT $1, id, sha256(convert_to(password_hash, 'UTF8')), role, $5, $6 FROM users
WHERE id = $2 AND is_active AND password_hash = $3 AND role = $4
RETURNING user_id;

-- name: pending_sign_in
-- The user of a sign-in that waits, as the user was when the password was checked; no row if they have changed.
SELECT u.id AS "user", u.password_hash, u.role
FROM pending_sign_ins p JOIN users u ON u.id = p.user_id
WHERE p.sha256 = $1 AND p.expires_at > $2
  AND u.is_active AND u.role = p.role AND sha256(convert_to(u.password_hash, 'UTF8')) = p.password_sha256;

-- name: pending_sign_in_end
-- End a sign-in that waits; no row if it has ended before.
DELETE FROM pending_sign_ins WHERE sha256 = $1 RETURNING user_id;

-- name: pending_sign_ins_erase
-- Delete all sign-ins of a user that wait.
DELETE FROM pending_sign_ins WHERE user_id = $1;

-- name: pending_sign_ins_purge
-- Delete sign-ins that expired before $1.
DELETE FROM pending_sign_ins WHERE expires_at < $1;
