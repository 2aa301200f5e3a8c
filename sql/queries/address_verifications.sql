-- Tokens with which users verify their addresses.

-- name: address_verification_insert
-- Insert a token of a user whose address is not verified.
INSERT INTO address_verifications (sha256, user_id, expires_at, created_at)
SELECT $1, id, $3, $4 FROM users WHERE id = $2 AND verified_at IS NULL
RETURNING sha256;

-- name: address_verification_use
-- Delete all tokens of the user of a token that is valid now; the user.
WITH valid AS (
    SELECT v.user_id FROM address_verifications v JOIN users u ON u.id = v.user_id
    WHERE v.sha256 = $1 AND v.expires_at > $2 AND u.is_active
), used AS (
    DELETE FROM address_verifications v USING valid WHERE v.user_id = valid.user_id
    RETURNING v.sha256, v.user_id
)
SELECT user_id FROM used WHERE sha256 = $1;

-- name: address_verifications_purge
-- Delete tokens that expired before $1.
DELETE FROM address_verifications WHERE expires_at < $1;

-- name: address_verifications_erase
-- Delete all tokens of a user.
DELETE FROM address_verifications WHERE user_id = $1;
