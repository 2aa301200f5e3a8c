-- Webhook endpoints, as their owners configured them.

-- name: endpoint_insert
-- Insert an endpoint; no row if the user has $7.
INSERT INTO endpoints (id, user_id, url, types, secret, created_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM endpoints WHERE user_id = $2) < $7
RETURNING *;

-- name: endpoints_of_user
-- A user's endpoints, oldest first.
SELECT * FROM endpoints WHERE user_id = $1 ORDER BY created_at, id;

-- name: endpoint_of_user
-- One endpoint of a user.
SELECT * FROM endpoints WHERE id = $1 AND user_id = $2;

-- name: endpoint_update
-- Change the URL or the event types, null: unchanged; enable (true) or disable. Enabling clears the failures and makes
-- waiting deliveries due.
UPDATE endpoints SET
    url = coalesce($3, url), types = coalesce($4::text[], types),
    disabled_at = CASE WHEN $5::boolean IS NULL THEN disabled_at
                       WHEN $5 THEN NULL ELSE coalesce(disabled_at, $6) END,
    disabled_reason = CASE WHEN $5::boolean IS NULL THEN disabled_reason
                           WHEN $5 THEN NULL ELSE coalesce(disabled_reason, 'by its owner') END,
    failing_since = CASE WHEN $5 THEN NULL ELSE failing_since END,
    not_before = CASE WHEN $5 THEN '-infinity' ELSE not_before END
WHERE id = $1 AND user_id = $2
RETURNING *;

-- name: endpoint_rotate
-- Set another secret; the previous one also signs until $4.
UPDATE endpoints SET former_secret = secret, former_until = $4, secret = $3
WHERE id = $1 AND user_id = $2
RETURNING *;

-- name: endpoint_delete
-- Delete an endpoint; its waiting deliveries fail.
WITH gone AS (
    DELETE FROM endpoints WHERE id = $1 AND user_id = $2 RETURNING id
), given_up AS (
    UPDATE deliveries d SET state = 'FAILED', error = 'its endpoint was deleted', ended_at = now()
    FROM gone WHERE d.endpoint_id = gone.id AND d.state = 'PENDING'
)
SELECT id FROM gone;
