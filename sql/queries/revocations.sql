-- name: revocation_since
-- Revocations by transaction $1 or later that have not expired, and the horizon, where to continue. The horizon is
-- returned even if there are none. Transactions below it have ended and were visible; all others are at or above it.
SELECT here.horizon, r.id, r.kind, r.expires_at
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) here
LEFT JOIN revocations r ON r.transaction >= $1 AND r.expires_at > $2;

-- name: revocation_insert
-- Revoke many ids of one kind at once, until the tokens that they concern have expired.
INSERT INTO revocations (id, kind, expires_at) SELECT unnest($1::uuid[]), $2, $3;

-- name: revocation_purge
-- Delete revocations that have expired.
DELETE FROM revocations WHERE expires_at < $1;
