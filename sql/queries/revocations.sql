-- name: revocation_since
-- Those of transaction $1 and later that still concern a token, and where to read on. The first
-- column is there without any. What is over below the horizon was seen; what was not is above it.
SELECT here.horizon, r.id, r.kind, r.expires_at
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) here
LEFT JOIN revocations r ON r.transaction >= $1 AND r.expires_at > $2;

-- name: revocation_insert
-- Revoke at once many ids of one kind, until no token that they concern is left.
INSERT INTO revocations (id, kind, expires_at) SELECT unnest($1::uuid[]), $2, $3;

-- name: revocation_purge
-- Forget those that concern no token any more.
DELETE FROM revocations WHERE expires_at < $1;
