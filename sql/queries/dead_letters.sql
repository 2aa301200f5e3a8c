-- Dead letters: failed jobs, refused Stripe events and undelivered webhooks that wait for an admin.

-- name: dead_jobs
-- Jobs that failed for good and were neither retried nor discarded, in order $5; of owner $1 (null: all), or with the
-- ids $2 (null: all). The sort keys are named after the list's columns.
WITH dead AS (
    SELECT j.id, j.name, j.job_type, j.user_id, u.email, j.node_id, n.name AS node_name, j.error_message,
           j.price, j.units, j.completed_at AS at
    FROM jobs j
    JOIN users u ON u.id = j.user_id
    LEFT JOIN nodes n ON n.id = j.node_id
    WHERE j.status = 'FAILED'
      AND ($1::uuid IS NULL OR j.user_id = $1)
      AND ($2::uuid[] IS NULL OR j.id = ANY($2))
      AND NOT EXISTS (SELECT FROM jobs r WHERE r.retry_of = j.id)
      AND NOT EXISTS (SELECT FROM discards d WHERE d.kind = 'job' AND d.id = j.id::text)
)
SELECT f.id, f.job_type, f.user_id, f.email, f.node_id, f.node_name, f.error_message,
       (SELECT w.error_class FROM units w WHERE w.job_id = f.id AND w.state = 'FAILED'
        ORDER BY w.ended_at DESC LIMIT 1) AS error_class,
       (SELECT count(*) FROM attempts a WHERE a.job_id = f.id)
       + (SELECT count(*) FROM units w WHERE w.job_id = f.id AND w.attempt > 0 AND w.state = 'COMPLETED') AS tries,
       f.price, f.units, f.at, count(*) OVER () AS total
FROM (
    SELECT d.*, d.name AS about, coalesce(d.error_message, '') AS why, d.email AS whose,
           coalesce(d.node_name, '') AS place,
           -- Counted for all jobs only if it is the sort key.
           CASE WHEN $5::text IN ('tried', '-tried') THEN
               (SELECT count(*) FROM attempts a WHERE a.job_id = d.id)
               + (SELECT count(*) FROM units w
                  WHERE w.job_id = d.id AND w.attempt > 0 AND w.state = 'COMPLETED') END AS tried
    FROM dead d
) f
ORDER BY CASE $5::text WHEN 'about' THEN lower(f.about) WHEN 'reason' THEN lower(f.why)
                       WHEN 'whose' THEN lower(f.whose) WHEN 'where' THEN lower(f.place) END,
         CASE $5 WHEN '-about' THEN lower(f.about) WHEN '-reason' THEN lower(f.why)
                 WHEN '-whose' THEN lower(f.whose) WHEN '-where' THEN lower(f.place) END DESC NULLS LAST,
         CASE $5 WHEN 'tried' THEN f.tried WHEN '-tried' THEN -f.tried END,
         CASE $5 WHEN 'at' THEN f.at END, f.at DESC, f.id DESC
LIMIT $3 OFFSET $4;

-- name: dead_tries
-- The attempts of each of the jobs $1 that ended without a result: the newest $2 of each, oldest first.
SELECT d.* FROM unnest($1::uuid[]) AS j (id)
CROSS JOIN LATERAL (
    SELECT a.job_id AS job, a.number AS unit, a.attempt, a.ended_at AS at, n.name AS node_name,
           a.error_class, a.error
    FROM attempts a LEFT JOIN nodes n ON n.id = a.node_id
    WHERE a.job_id = j.id ORDER BY a.ended_at DESC, a.number DESC, a.attempt DESC LIMIT $2) d
ORDER BY d.job, d.at, d.unit, d.attempt;

-- name: dead_events
-- Events that were refused, or whose purchase is missing, in order $4; with the ids $1 (null: all). An event that is
-- processed again is stored under its id, a slash and a number.
WITH told AS (
    SELECT split_part(id, '/', 1) AS id, max(type) AS type, max(object) AS object,
           (array_agg(outcome ORDER BY received_at DESC))[1] AS outcome,
           min(received_at) AS at, count(*) AS times
    FROM stripe_events
    WHERE outcome IN ('REFUSED', 'EARLY')
      AND ($1::text[] IS NULL OR split_part(id, '/', 1) = ANY($1))
    GROUP BY split_part(id, '/', 1)
)
SELECT f.id, f.type, f.object, f.outcome, f.at, f.times, f.purchase, f.email, count(*) OVER () AS total
FROM (
    SELECT t.*, p.id AS purchase, u.email, t.type AS about, t.outcome AS why, coalesce(u.email, '') AS whose,
           t.object AS place, t.times AS tried
    FROM told t
    LEFT JOIN purchases p ON p.session = t.object
    LEFT JOIN users u ON u.id = p.user_id
    WHERE NOT EXISTS (SELECT FROM discards d WHERE d.kind = 'event' AND d.id = t.id)
      AND (p.state IS NULL OR p.state <> 'PAID')
      AND NOT EXISTS (SELECT FROM reversals r JOIN purchases q ON q.payment_intent = r.payment_intent
                      WHERE r.id = t.object AND t.outcome = 'EARLY')
) f
ORDER BY CASE $4::text WHEN 'about' THEN lower(f.about) WHEN 'reason' THEN lower(f.why)
                       WHEN 'whose' THEN lower(f.whose) WHEN 'where' THEN lower(f.place) END,
         CASE $4 WHEN '-about' THEN lower(f.about) WHEN '-reason' THEN lower(f.why)
                 WHEN '-whose' THEN lower(f.whose) WHEN '-where' THEN lower(f.place) END DESC NULLS LAST,
         CASE $4 WHEN 'tried' THEN f.tried WHEN '-tried' THEN -f.tried END,
         CASE $4 WHEN 'at' THEN f.at END, f.at DESC, f.id DESC
LIMIT $2 OFFSET $3;

-- name: dead_webhooks
-- Deliveries that failed and were neither sent again nor discarded, in order $4; with the ids $1 (null: all).
-- Deliveries to deleted endpoints are left out.
SELECT f.id, f.type, f.job_id, f.url, f.is_disabled, f.user_id, f.email, f.tries, f.status, f.error, f.at,
       count(*) OVER () AS total
FROM (
    SELECT d.id, d.type, d.job_id, p.url, p.disabled_at IS NOT NULL AS is_disabled, p.user_id, u.email, d.tries,
           d.status, d.error, d.ended_at AS at, d.type AS about, u.email AS whose, d.tries AS tried,
           coalesce(d.error, 'answered ' || d.status, '') AS why,
           coalesce(substring(p.url FROM '^[^/]*//(?:[^/?#@]*@)?([^/:?#]*)'), '') AS place
    FROM deliveries d
    JOIN endpoints p ON p.id = d.endpoint_id
    JOIN users u ON u.id = p.user_id
    WHERE d.state = 'FAILED'
      AND ($1::uuid[] IS NULL OR d.id = ANY($1))
      AND NOT EXISTS (SELECT FROM discards x WHERE x.kind = 'webhook' AND x.id = d.id::text)
) f
ORDER BY CASE $4::text WHEN 'about' THEN lower(f.about) WHEN 'reason' THEN lower(f.why)
                       WHEN 'whose' THEN lower(f.whose) WHEN 'where' THEN lower(f.place) END,
         CASE $4 WHEN '-about' THEN lower(f.about) WHEN '-reason' THEN lower(f.why)
                 WHEN '-whose' THEN lower(f.whose) WHEN '-where' THEN lower(f.place) END DESC NULLS LAST,
         CASE $4 WHEN 'tried' THEN f.tried WHEN '-tried' THEN -f.tried END,
         CASE $4 WHEN 'at' THEN f.at END, f.at DESC, f.id DESC
LIMIT $2 OFFSET $3;

-- name: dead_event_readings
-- Count how often an event was processed, with any outcome.
SELECT count(*) FROM stripe_events WHERE id = $1 OR starts_with(id, $1 || '/');

-- name: dead_letters_discard
-- Discard dead letters; those already discarded are unchanged.
INSERT INTO discards (kind, id, by, reason, at)
SELECT $1, n.id, $3, $4, $5 FROM unnest($2::text[]) AS n (id)
ON CONFLICT DO NOTHING
RETURNING id;
