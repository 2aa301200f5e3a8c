-- Tokens of links in mails, with which users verify their addresses and stop changes of their payout accounts.

-- name: mailed_token_insert_verification
-- Insert a token of a user whose address is not verified; no row if it is.
INSERT INTO mailed_tokens (sha256, user_id, purpose, expires_at, created_at)
SELECT $1, id, 'verification', $3, $4 FROM users WHERE id = $2 AND verified_at IS NULL
RETURNING sha256;

-- name: mailed_token_insert_payout_stop
-- Insert a token of a user whose change waits; no row if none does.
INSERT INTO mailed_tokens (sha256, user_id, purpose, expires_at, created_at)
SELECT $1, $2, 'payout_stop', $3, $4 WHERE EXISTS (SELECT FROM payout_accounts WHERE user_id = $2 AND usable_at > $4)
RETURNING sha256;

-- name: mailed_token_use
-- Delete all tokens for the purpose $2 of the user of a token that is valid at $3; the user.
WITH valid AS (
    SELECT t.user_id FROM mailed_tokens t JOIN users u ON u.id = t.user_id
    WHERE t.sha256 = $1 AND t.purpose = $2 AND t.expires_at > $3 AND u.is_active
), used AS (
    DELETE FROM mailed_tokens t USING valid WHERE t.user_id = valid.user_id AND t.purpose = $2
    RETURNING t.sha256, t.user_id
)
SELECT user_id FROM used WHERE sha256 = $1;

-- name: mailed_tokens_purge
-- Delete tokens that expired before $1.
DELETE FROM mailed_tokens WHERE expires_at < $1;

-- name: mailed_tokens_erase
-- Delete all tokens of a user.
DELETE FROM mailed_tokens WHERE user_id = $1;
