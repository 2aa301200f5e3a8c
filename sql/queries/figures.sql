-- What is shown of the whole: read now and then, for the metrics.

-- name: figures_jobs
-- Open jobs by status; those that ended are too many to be counted again and again.
SELECT j.status AS name, count(*) AS count
FROM (SELECT DISTINCT job_id FROM units WHERE ended_at IS NULL) u JOIN jobs j ON j.id = u.job_id
GROUP BY j.status;

-- name: figures_nodes
-- Nodes by status.
SELECT status AS name, count(*) AS count FROM nodes GROUP BY status;

-- name: figures_holds
-- Open holds, and what they hold.
SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount FROM holds WHERE state = 'OPEN';
