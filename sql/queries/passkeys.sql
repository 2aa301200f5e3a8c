-- Passkeys of users, and the challenges that they sign.

-- name: passkey_insert
-- Insert a passkey; no row if it is registered already, or the user has $9 of them.
INSERT INTO passkeys (id, user_id, credential, public_key, rp_id, counter, name, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM passkeys WHERE user_id = $2) < $9
ON CONFLICT (credential) DO NOTHING
RETURNING id;

-- name: passkeys_of
-- The passkeys of a user, oldest first.
SELECT id, credential, public_key, rp_id, counter, name, created_at, used_at FROM passkeys
WHERE user_id = $1 ORDER BY created_at, id;

-- name: passkey_use
-- Store the counter $3 of a use; no row if the counter did not grow, unless the authenticator does not count.
UPDATE passkeys SET counter = $3, used_at = $4
WHERE id = $1 AND user_id = $2 AND (counter < $3 OR counter = 0 AND $3 = 0)
RETURNING id;

-- name: passkey_rename
-- Name a passkey of a user.
UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2 RETURNING id;

-- name: passkey_remove
-- Delete a passkey of a user.
DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING id;

-- name: passkeys_remove
-- Delete all passkeys of a user.
DELETE FROM passkeys WHERE user_id = $1;

-- name: passkey_challenge_put
-- Store a challenge, in place of an earlier one of the same holder and purpose.
INSERT INTO passkey_challenges (holder, purpose, user_id, challenge, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (holder, purpose) DO UPDATE SET user_id = $3, challenge = $4, expires_at = $5;

-- name: passkey_challenge_take
-- Delete a challenge and return it; no row if it was taken before, or has expired.
WITH taken AS (
    DELETE FROM passkey_challenges WHERE holder = $1 AND purpose = $2 AND user_id = $3 RETURNING challenge, expires_at
)
SELECT challenge FROM taken WHERE expires_at > $4;

-- name: passkey_challenges_erase
-- Delete all challenges of a user.
DELETE FROM passkey_challenges WHERE user_id = $1;

-- name: passkey_challenges_purge
-- Delete challenges that expired before $1.
DELETE FROM passkey_challenges WHERE expires_at < $1;
