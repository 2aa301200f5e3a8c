-- What operators earned by day and by node, when pending earnings become payable, and results that were not paid.
-- Amounts are units of money; days are UTC.

-- name: earning_sums
-- What operator $1 earned from day $2 to $3, and the work of their nodes: a row for all of it, a row for each day with
-- any, and at most $4 rows of nodes, those that earned most first. `lost`: earnings that were reversed or forfeited
-- later. Work counts on the day on which its unit was completed; `seconds` are those in which a node rendered at least
-- one of these units, until it delivered the last of them, and count on the day on which they passed. A node may deliver
-- without having reported a start; `started_at` is then null, or that of an earlier attempt.
WITH earned AS (
    SELECT (earned_at AT TIME ZONE 'UTC')::date AS day, node_id,
           coalesce(sum(amount) FILTER (WHERE state NOT IN ('REVERSED', 'FORFEITED')), 0) AS earned,
           coalesce(sum(amount) FILTER (WHERE state IN ('REVERSED', 'FORFEITED')), 0) AS lost,
           count(*) FILTER (WHERE state NOT IN ('REVERSED', 'FORFEITED')) AS units
    FROM earnings
    WHERE operator_id = $1
      AND earned_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND earned_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2
), worked AS (
    SELECT u.node_id, (u.ended_at AT TIME ZONE 'UTC')::date AS day,
           greatest(greatest(u.started_at, u.assigned_at) AT TIME ZONE 'UTC', $2::date::timestamp) AS began,
           least(u.ended_at, c.opened_at) AT TIME ZONE 'UTC' AS until,
           CASE WHEN u.tile IS NOT NULL THEN 0
                WHEN coalesce(u.frames, '1') ~ '^-?[0-9]+$' THEN 1
                ELSE (SELECT sum((coalesce(part[2], part[1])::integer - part[1]::integer)
                                 / coalesce(part[3], '1')::integer + 1)
                      FROM regexp_matches(u.frames, '(-?[0-9]+)(?:-(-?[0-9]+)(?:x([0-9]+))?)?', 'g') AS part)
           END AS frames
    FROM nodes n
    JOIN units u ON u.node_id = n.id
    LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
    WHERE n.owner_id = $1 AND u.state = 'COMPLETED'
      AND u.ended_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND u.ended_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), busy AS (
    SELECT w.node_id, d::date AS day, range_agg(tsrange(greatest(w.began, d), least(w.until, d + interval '1 day'))) AS spans
    FROM worked w
    CROSS JOIN LATERAL generate_series(date_trunc('day', w.began), w.until - interval '1 microsecond',
                                       interval '1 day') AS d
    WHERE w.began < w.until
    GROUP BY 1, 2
), moved AS (
    SELECT day, node_id, earned, lost, units, 0::bigint AS frames, 0::float8 AS seconds FROM earned
    UNION ALL
    SELECT day, node_id, 0, 0, 0, frames, 0 FROM worked
    UNION ALL
    SELECT day, node_id, 0, 0, 0, 0,
           (SELECT extract(epoch FROM sum(upper(span) - lower(span))) FROM unnest(spans) AS span)::float8
    FROM busy
), summed AS (
    SELECT day, node_id, coalesce(sum(earned), 0)::bigint AS earned, coalesce(sum(lost), 0)::bigint AS lost,
           coalesce(sum(units), 0)::bigint AS units, coalesce(sum(frames), 0)::bigint AS frames,
           coalesce(sum(seconds), 0)::float8 AS seconds, count(DISTINCT node_id) AS nodes,
           row_number() OVER (PARTITION BY grouping(day), grouping(node_id) ORDER BY sum(earned) DESC, node_id) AS place
    FROM moved
    GROUP BY GROUPING SETS ((), (day), (node_id))
)
SELECT s.day, s.node_id, n.name AS node, s.earned, s.lost, s.units, s.frames, s.seconds, s.nodes
FROM summed s
LEFT JOIN nodes n ON n.id = s.node_id
WHERE s.node_id IS NULL OR s.place <= $4
ORDER BY s.node_id IS NOT NULL, s.day, s.place;

-- name: earning_devices
-- What operator $1's nodes earned from day $2 to $3 with each kind of device, the most first, at most $4 rows: device
-- classes without the build of Blender. Only results that were checked count, as others name no device class. `seconds`
-- are those in which a node rendered at least one of the units; `measured_seconds` the same of the units whose price
-- follows measured work, and `reference_seconds` the time that the measuring machine takes for these.
WITH done AS (
    SELECT u.node_id, regexp_replace(c.device_class, '^([^/]*/[^/]*/[^/]*)/.*$', '\1') AS device_class,
           coalesce(e.amount, 0) AS amount, coalesce(e.state IN ('REVERSED', 'FORFEITED'), false) AS is_lost,
           tsrange(least(greatest(u.started_at, u.assigned_at), c.opened_at) AT TIME ZONE 'UTC',
                   c.opened_at AT TIME ZONE 'UTC') AS span,
           CASE WHEN j.plan #> '{pricing,looked}' IS NOT NULL AND u.price > 0
                    AND (j.plan #>> '{pricing,price}')::bigint > 0 THEN
               u.price * (j.plan #>> '{pricing,pays_for}')::float8 / (j.plan #>> '{pricing,price}')::bigint
           END AS reference,
           CASE WHEN u.tile IS NOT NULL THEN 0
                WHEN coalesce(u.frames, '1') ~ '^-?[0-9]+$' THEN 1
                ELSE (SELECT sum((coalesce(part[2], part[1])::integer - part[1]::integer)
                                 / coalesce(part[3], '1')::integer + 1)
                      FROM regexp_matches(u.frames, '(-?[0-9]+)(?:-(-?[0-9]+)(?:x([0-9]+))?)?', 'g') AS part)
           END AS frames
    FROM nodes n
    JOIN units u ON u.node_id = n.id
    JOIN jobs j ON j.id = u.job_id
    JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
    LEFT JOIN earnings e ON e.job_id = u.job_id AND e.unit = u.number
    WHERE n.owner_id = $1 AND u.state = 'COMPLETED' AND c.device_class <> ''
      AND u.ended_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND u.ended_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), by_node AS (
    SELECT node_id, device_class, count(*) AS units, sum(frames) AS frames,
           coalesce(sum(amount) FILTER (WHERE NOT is_lost), 0) AS earned,
           coalesce(sum(amount) FILTER (WHERE is_lost), 0) AS lost, sum(reference) AS reference,
           range_agg(span) AS spans, range_agg(span) FILTER (WHERE reference IS NOT NULL) AS measured
    FROM done GROUP BY 1, 2
)
SELECT device_class, count(*) AS nodes, sum(units)::bigint AS units, sum(frames)::bigint AS frames,
       sum(earned)::bigint AS earned, sum(lost)::bigint AS lost,
       coalesce(sum((SELECT extract(epoch FROM sum(upper(span) - lower(span))) FROM unnest(spans) AS span)), 0)::float8
           AS seconds,
       coalesce(sum((SELECT extract(epoch FROM sum(upper(span) - lower(span))) FROM unnest(measured) AS span)),
                0)::float8 AS measured_seconds,
       coalesce(sum(reference), 0)::float8 AS reference_seconds
FROM by_node GROUP BY 1 ORDER BY earned DESC, device_class LIMIT $4;

-- name: earnings_coming
-- The pending earnings of operator $1 by the day on which they become payable, soonest first, at most $2 rows;
-- `disputed`: while they are disputed, they stay pending.
SELECT (e.payable_at AT TIME ZONE 'UTC')::date AS day, d.state IS NOT NULL AS disputed, count(*) AS units,
       sum(e.amount)::bigint AS amount
FROM earnings e
LEFT JOIN disputes d ON d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN'
WHERE e.operator_id = $1 AND e.state = 'PENDING'
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $2;

-- name: unpaid_results
-- Results of operator $1's nodes from day $2 to $3 that were not paid, newest first, at most $4: completed units with a
-- price and without an earning, results that were not accepted, and earnings that were reversed or forfeited. $6: only
-- those of this node.
-- `amount`: what the result would have earned; $5: percent of the price, if nothing says another. `state`: of the
-- earning, if there is one. `decision`: as of earnings. `dispute`: the unit's dispute; `has_picture`: its creator has
-- attached a comparison with a picture. `compared`: what a verifier compared.
WITH found AS (
    (SELECT u.job_id, u.number AS unit, u.node_id, u.ended_at AS at,
            u.price * coalesce(c.share_percent, $5) / 100 AS amount, NULL AS state, c.verdict, c.reason,
            coalesce(c.said, '') AS said, n.verified_at < u.ended_at AS verified, NULL AS decision,
            u.attempt, c.compared
     FROM nodes n
     JOIN units u ON u.node_id = n.id
     LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
     WHERE n.owner_id = $1 AND ($6::uuid IS NULL OR n.id = $6) AND u.state = 'COMPLETED' AND u.price > 0 AND coalesce(c.share_percent, $5) > 0
       AND u.ended_at >= $2::date::timestamp AT TIME ZONE 'UTC'
       AND u.ended_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
       AND NOT EXISTS (SELECT FROM earnings e WHERE e.job_id = u.job_id AND e.unit = u.number)
     ORDER BY u.ended_at DESC, u.job_id, u.number LIMIT $4)
    UNION ALL
    (SELECT c.job_id, c.unit, c.node_id, c.decided_at, u.price * c.share_percent / 100, NULL, c.verdict, c.reason,
            c.said, c.verified, NULL, c.attempt, c.compared
     FROM nodes n
     JOIN checks c ON c.node_id = n.id
     JOIN units u ON u.job_id = c.job_id AND u.number = c.unit AND u.price > 0
     WHERE n.owner_id = $1 AND ($6::uuid IS NULL OR n.id = $6) AND c.share_percent > 0 AND (u.attempt <> c.attempt OR u.state <> 'COMPLETED')
       AND c.decided_at >= $2::date::timestamp AT TIME ZONE 'UTC'
       AND c.decided_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
     ORDER BY c.decided_at DESC, c.job_id, c.unit LIMIT $4)
    UNION ALL
    (SELECT e.job_id, e.unit, e.node_id, e.earned_at, e.amount, e.state, c.verdict, c.reason, coalesce(c.said, ''), true,
            (SELECT CASE WHEN d.by_gateway THEN d.decision ELSE '' END FROM disputes d
             WHERE e.state = 'REVERSED' AND d.job_id = e.job_id AND d.unit = e.unit),
            u.attempt, c.compared
     FROM earnings e
     JOIN units u ON u.job_id = e.job_id AND u.number = e.unit
     LEFT JOIN checks c ON c.job_id = e.job_id AND c.unit = e.unit AND c.attempt = u.attempt
     WHERE e.operator_id = $1 AND ($6::uuid IS NULL OR e.node_id = $6) AND e.state IN ('REVERSED', 'FORFEITED')
       AND e.earned_at >= $2::date::timestamp AT TIME ZONE 'UTC'
       AND e.earned_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
     ORDER BY e.earned_at DESC, e.job_id, e.unit LIMIT $4)
)
SELECT f.*, n.name AS node, j.job_type, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid,
       d.id AS dispute, d.picture IS NOT NULL AS has_picture
FROM (SELECT * FROM found ORDER BY at DESC, job_id, unit LIMIT $4) f
JOIN nodes n ON n.id = f.node_id
JOIN jobs j ON j.id = f.job_id
JOIN units u ON u.job_id = f.job_id AND u.number = f.unit
LEFT JOIN LATERAL (SELECT d.id, k.picture FROM disputes d LEFT JOIN comparisons k ON k.dispute_id = d.id
                   WHERE d.job_id = f.job_id AND d.unit = f.unit AND f.state IS NOT NULL) d ON true
ORDER BY f.at DESC, f.job_id, f.unit;

-- name: unpaid_comparison
-- The creator of the job and the attempt, if a verifier rendered the whole frame of attempt $3 (null: the newest such
-- attempt) of unit $2 of job $1, which a node of operator $4 delivered, and found it invalid.
SELECT j.user_id AS "user", c.attempt FROM checks c
JOIN nodes n ON n.id = c.node_id
JOIN jobs j ON j.id = c.job_id
WHERE c.job_id = $1 AND c.unit = $2 AND c.attempt = coalesce($3, c.attempt) AND n.owner_id = $4
  AND c.verdict = 'invalid' AND c.compared = 'whole'
ORDER BY c.attempt DESC LIMIT 1;
