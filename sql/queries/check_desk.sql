-- Checks for the console. $1: the owner of the nodes; null: all.

-- name: check_desk_page
-- The newest $5, of node $2, with outcome $3, and with $4 in the reason, where given.
SELECT c.job_id, c.unit, c.attempt, u.frames, u.tile, j.params -> '_tiles' AS grid, c.node_id, n.name AS node_name, c.device_class,
       coalesce(c.verdict, 'pending') AS verdict, c.said, c.strike, v.name AS verifier_name, c.opened_at, c.decided_at
FROM checks c
JOIN nodes n ON n.id = c.node_id
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
JOIN jobs j ON j.id = c.job_id
LEFT JOIN nodes v ON v.id = c.verifier_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1)
  AND ($2::uuid IS NULL OR c.node_id = $2)
  AND ($3::text IS NULL OR coalesce(c.verdict, 'pending') = $3)
  AND ($4::text IS NULL OR strpos(lower(n.name), lower($4)) > 0 OR strpos(lower(c.said), lower($4)) > 0
       OR starts_with(c.job_id::text, lower($4)))
ORDER BY c.opened_at DESC, c.job_id DESC, c.unit DESC LIMIT $5;

-- name: check_desk_counts
-- Count checks since $2, and all pending ones, by outcome.
SELECT coalesce(c.verdict, 'pending') AS verdict, count(*) AS number
FROM checks c JOIN nodes n ON n.id = c.node_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1) AND (c.opened_at >= $2 OR c.state = 'PENDING')
GROUP BY 1;
