-- Second factors of users: authenticator apps, recovery codes, and sign-ins that wait for a factor.

-- name: factor_state
-- The factors of a user.
SELECT a.confirmed_at AS app_since,
       (SELECT count(*) FROM passkeys p WHERE p.user_id = $1) AS passkeys,
       (SELECT count(*) FROM recovery_codes r WHERE r.user_id = $1) AS recovery_codes
FROM (SELECT $1::uuid AS id) u LEFT JOIN authenticators a ON a.user_id = u.id;

-- name: app_setup_start
-- Store the secret of an app that is to be confirmed; no row if the user has an app.
INSERT INTO app_setups (holder, user_id, sealed, expires_at)
SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM authenticators WHERE user_id = $2)
RETURNING holder;

-- name: app_setup
-- The sealed secret of an app that is not confirmed yet.
SELECT sealed FROM app_setups WHERE holder = $1 AND user_id = $2 AND expires_at > $3;

-- name: app_setup_take
-- Delete the secret of an app that a code confirms; no row if it is gone or has expired.
DELETE FROM app_setups WHERE holder = $1 AND user_id = $2 AND expires_at > $3 RETURNING holder;

-- name: app_setups_erase
-- Delete all secrets of a user that are not confirmed.
DELETE FROM app_setups WHERE user_id = $1;

-- name: app_setups_purge
-- Delete unconfirmed secrets that expired before $1.
DELETE FROM app_setups WHERE expires_at < $1;

-- name: authenticator_insert
-- Insert an app whose first code, of step $3, was right; no row if the user has an app.
INSERT INTO authenticators (user_id, sealed, last_step, failing_since, confirmed_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT (user_id) DO NOTHING
RETURNING user_id;

-- name: authenticator_try
-- Count a try of a code before the code is checked. No row if there were $3 wrong codes within $4, or there is no app.
UPDATE authenticators
SET failures = CASE WHEN failing_since > $2::timestamptz - $4::interval THEN failures + 1 ELSE 1 END,
    failing_since = CASE WHEN failing_since > $2::timestamptz - $4::interval AND failures > 0 THEN failing_since
                         ELSE $2::timestamptz END
WHERE user_id = $1 AND (failures < $3 OR failing_since <= $2::timestamptz - $4::interval)
RETURNING sealed, last_step;

-- name: authenticator_use
-- Use the code of step $2 of the app with the sealed secret $3; no row if this code, or a newer one, was used. $4: the
-- secret, sealed again.
UPDATE authenticators SET last_step = $2, failures = 0, sealed = $4
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
INSERT INTO pending_sign_ins (sha256, user_id, password_sha256, role, expires_at, created_at, by_identity, provider,
                              given_role)
SELECT $1, id, sha256(convert_to(password_hash, 'UTF8')), role, $5, $6, $7, $8, $9 FROM users
WHERE id = $2 AND is_active AND password_hash = $3 AND role = $4
RETURNING user_id;

-- name: pending_sign_in
-- The user of a sign-in that waits, as the user was when the password was checked; no row if they have changed.
SELECT u.id AS "user", u.password_hash, u.role, p.by_identity, p.provider, p.given_role
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
