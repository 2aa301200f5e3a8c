-- Totals for the metrics, read periodically.

-- name: totals_jobs
-- Open jobs by status; ended ones are too many to count repeatedly.
SELECT j.status AS name, count(*) AS count
FROM (SELECT DISTINCT job_id FROM units WHERE ended_at IS NULL) u JOIN jobs j ON j.id = u.job_id
GROUP BY j.status;

-- name: totals_nodes
-- Nodes by status.
SELECT status AS name, count(*) AS count FROM nodes GROUP BY status;

-- name: totals_holds
-- The number and sum of open holds.
SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount FROM holds WHERE state = 'OPEN';

-- name: totals_checks
-- Deliveries that wait for a verdict, and the longest wait in seconds; how many of the oldest 1,000 have waited for
-- over a minute and over ten times as long as their node took; and the shares that the gateway has withheld for
-- longer than $1.
SELECT (SELECT count(*) FROM checks WHERE state = 'PENDING') AS waiting,
       coalesce(extract(epoch FROM now() - min(w.opened_at)), 0)::float8 AS oldest,
       count(*) FILTER (WHERE now() - w.opened_at > greatest(
           interval '1 minute', 10 * (w.opened_at - coalesce(u.started_at, u.assigned_at, w.opened_at)))) AS overdue,
       (SELECT count(*) FROM disputes
        WHERE state = 'OPEN' AND by_gateway AND opened_at < now() - $1::interval) AS withheld
FROM (SELECT job_id, unit, opened_at FROM checks WHERE state = 'PENDING' ORDER BY opened_at LIMIT 1000) w
JOIN units u ON u.job_id = w.job_id AND u.number = w.unit;

-- name: totals_verifiers
-- The verifiers that any gateway has recorded within $1 seconds.
SELECT v.node_id, n.name, v.device_class, v.cores, v.checking, v.load, v.seen_at
FROM verifiers v JOIN nodes n ON n.id = v.node_id
WHERE v.seen_at >= now() - make_interval(secs => $1) ORDER BY n.name, v.node_id;
