-- name: revocation_since
-- Revocations by transaction $1 or later that still concern a token, and where to continue. The first column is
-- returned even without any. Transactions below the horizon have ended and were visible; all others are above it.
SELECT here.horizon, r.id, r.kind, r.expires_at
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) here
LEFT JOIN revocations r ON r.transaction >= $1 AND r.expires_at > $2;

-- name: revocation_insert
-- Revoke many ids of one kind at once, until no token that they concern is valid.
INSERT INTO revocations (id, kind, expires_at) SELECT unnest($1::uuid[]), $2, $3;

-- name: revocation_purge
-- Delete those that concern no valid token.
DELETE FROM revocations WHERE expires_at < $1;
