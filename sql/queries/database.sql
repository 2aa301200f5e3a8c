-- name: check
-- Whether the database answers.
SELECT 1 AS alive;
