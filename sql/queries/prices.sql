-- name: prices_lock
-- Serialise changes of prices, so that greater numbers are later changes.
SELECT pg_advisory_xact_lock(hashtext('prices'));

-- name: price_of_type
-- The newest row of a job type, if any.
SELECT number, job_type, units, since, changed_by, reason FROM prices
WHERE job_type = $1
ORDER BY number DESC
LIMIT 1;

-- name: price_at
-- The row that gives the price of job type $1 at time $2.
SELECT number, job_type, units, since, changed_by, reason FROM (
    (SELECT 1 AS choice, * FROM prices WHERE job_type = $1 AND since <= $2 ORDER BY number DESC LIMIT 1)
    UNION ALL
    (SELECT 2, * FROM prices WHERE job_type = '*' AND since <= $2 ORDER BY number DESC LIMIT 1)
) newest
WHERE units IS NOT NULL ORDER BY choice LIMIT 1;

-- name: price_insert
-- Insert a price from now on. Times never decrease, even if this gateway's clock is behind another's.
INSERT INTO prices (job_type, units, since, changed_by, reason)
VALUES ($1, $2, greatest($3, (SELECT max(since) FROM prices WHERE job_type = $1)), $4, $5)
RETURNING number, job_type, units, since, changed_by, reason;

-- name: prices_of_now
-- The current price of each job type that has its own, and of '*', which stands for all other types.
SELECT number, job_type, units, since, changed_by, reason FROM (
    SELECT DISTINCT ON (job_type) * FROM prices ORDER BY job_type, number DESC
) newest
WHERE units IS NOT NULL
ORDER BY job_type;

-- name: prices_history
-- Changes, newest first; optionally only before number $2, or of job type $1.
SELECT number, job_type, units, since, changed_by, reason FROM prices
WHERE ($1::text IS NULL OR job_type = $1) AND ($2::bigint IS NULL OR number < $2)
ORDER BY number DESC
LIMIT $3;
