-- name: database_answers
-- For the readiness probe.
SELECT 1 AS one;
