-- Webhook endpoints as their owners configured them; and deliveries, which a trigger creates with each event and the
-- Courier sends.

-- name: endpoint_insert
-- Insert an endpoint; no row if the user has $7 already.
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
-- Change the URL or the event types (null: unchanged); enable (true) or disable. Enabling clears the failures and
-- makes waiting deliveries due.
WITH due AS (
    UPDATE deliveries d SET due_at = least(d.due_at, $6)
    FROM endpoints p
    WHERE $5 AND p.id = $1 AND p.user_id = $2 AND p.disabled_at IS NOT NULL
      AND d.endpoint_id = p.id AND d.state = 'PENDING'
)
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

-- name: deliveries_claim
-- Claim until $2 deliveries that are due by $1: at most $3 of each endpoint of an active user, unless the endpoint
-- pauses or is in $4, and of at most $5 endpoints, longest waiting first. At $2 the claims expire. At most $6
-- endpoints per user, including those in $4. With their events, without a number if the event has expired.
WITH busy AS (
    SELECT user_id, count(*) AS endpoints FROM endpoints WHERE id = ANY($4::uuid[]) GROUP BY user_id
), waiting AS (
    SELECT p.id, first.due_at,
           row_number() OVER (PARTITION BY p.user_id ORDER BY first.due_at, p.id)
           + coalesce((SELECT endpoints FROM busy b WHERE b.user_id = p.user_id), 0) AS place
    FROM endpoints p
    CROSS JOIN LATERAL (SELECT due_at FROM deliveries
                        WHERE endpoint_id = p.id AND state = 'PENDING' AND due_at <= $1
                        ORDER BY due_at LIMIT 1) first
    WHERE p.disabled_at IS NULL AND p.not_before <= $1 AND p.id <> ALL($4::uuid[])
      AND (SELECT is_active FROM users u WHERE u.id = p.user_id)
), turn AS (
    SELECT id FROM waiting WHERE place <= $6 ORDER BY due_at LIMIT $5
), due AS (
    SELECT d.id FROM turn t
    CROSS JOIN LATERAL (SELECT id FROM deliveries
                        WHERE endpoint_id = t.id AND state = 'PENDING' AND due_at <= $1
                        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) d
), claimed AS (
    UPDATE deliveries d SET due_at = $2, tries = d.tries + 1, tried_at = $1
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.endpoint_id, d.job_id, d.number AS event, d.type, d.tries
)
SELECT c.id, c.endpoint_id, c.job_id, c.event, c.type, c.tries, p.user_id, p.url, p.secret, p.failing_since,
       CASE WHEN p.former_until > $1 THEN p.former_secret END AS former_secret,
       e.number, e.at, e.unit, e.state, e.attempt, e.node_id, e.money, e.amount, e.error_class,
       e.error_code, e.error, e.frame, j.name AS job_name
FROM claimed c JOIN endpoints p ON p.id = c.endpoint_id LEFT JOIN jobs j ON j.id = c.job_id
LEFT JOIN job_events e ON e.job_id = c.job_id AND e.number = c.event
ORDER BY c.job_id, c.event;

-- name: deliveries_settle
-- Store outcomes of tries: a final state, or the time of the next try. If another gateway has tried again since, its
-- outcome is kept. Only the last answers are stored.
UPDATE deliveries d SET state = n.state, due_at = coalesce(n.due_at, d.due_at), status = n.status,
                        error = n.error, ended_at = n.ended_at,
                        answers = jsonb_path_query_array(
                            d.answers || jsonb_build_object('at', d.tried_at, 'status', n.status, 'error', n.error),
                            '$[last - 19 to last]')
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::integer[], $6::text[],
            $7::timestamptz[])
     AS n (id, tries, state, due_at, status, error, ended_at)
WHERE d.id = n.id AND d.tries = n.tries AND d.state = 'PENDING';

-- name: endpoints_settle
-- Store the health of endpoints: since when they fail, until when they pause, and whether they are disabled.
UPDATE endpoints p SET failing_since = n.failing_since, not_before = coalesce(n.not_before, '-infinity'),
                       disabled_at = coalesce(p.disabled_at, n.disabled_at),
                       disabled_reason = coalesce(p.disabled_reason, n.reason)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[])
     AS n (id, failing_since, not_before, disabled_at, reason)
WHERE p.id = n.id;

-- name: deliveries_expire
-- Delete $2 deliveries created before $1, in any state.
WITH old AS (SELECT id FROM deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2)
DELETE FROM deliveries d USING old WHERE d.id = old.id
RETURNING d.id;

-- name: deliveries_waiting
-- Count deliveries that still have to be sent, or sent again.
SELECT count(*) FROM deliveries WHERE state = 'PENDING';

-- name: deliveries_of_endpoint
-- A page of an endpoint's deliveries, newest first: those older than $4, if given; none if it does not exist.
SELECT d.* FROM deliveries d JOIN endpoints p ON p.id = d.endpoint_id
WHERE d.endpoint_id = $1 AND p.user_id = $2
  AND (d.created_at, d.id) < (
      coalesce((SELECT created_at FROM deliveries WHERE id = $4::uuid AND endpoint_id = $1),
               CASE WHEN $4::uuid IS NULL THEN 'infinity'::timestamptz ELSE '-infinity' END),
      coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY d.created_at DESC, d.id DESC LIMIT $3;

-- name: delivery_replay
-- Send a delivery again under its id, whatever its state; a pending one keeps its count of tries.
UPDATE deliveries d SET state = 'PENDING', tries = CASE WHEN d.state = 'PENDING' THEN d.tries ELSE 0 END,
                        due_at = $3, ended_at = NULL
FROM endpoints p
WHERE d.id = $1 AND p.id = d.endpoint_id AND p.user_id = $2
RETURNING d.*;

-- name: deliveries_erase
-- Delete the deliveries to a user's endpoints.
DELETE FROM deliveries d USING endpoints p WHERE d.endpoint_id = p.id AND p.user_id = $1;

-- name: endpoints_erase
-- Delete the endpoints of a user.
DELETE FROM endpoints WHERE user_id = $1;
