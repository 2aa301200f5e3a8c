-- name: last_backup
-- The last backup, and the last trial of one.
SELECT made_at, bytes, tried_at FROM last_backup;

-- name: last_backup_made
-- Note that a backup was written at $1, of $2 bytes.
INSERT INTO last_backup (made_at, bytes) VALUES ($1::timestamptz, $2::bigint)
ON CONFLICT (one) DO UPDATE SET made_at = EXCLUDED.made_at, bytes = EXCLUDED.bytes;

-- name: last_backup_tried
-- Note that a backup was restored for trial at $1.
INSERT INTO last_backup (tried_at) VALUES ($1::timestamptz)
ON CONFLICT (one) DO UPDATE SET tried_at = EXCLUDED.tried_at;
