-- Checks as people look at them. $1 is whose nodes' work it is; null: everybody's. An owner is not told of a
-- suspicion before the verdict: it would say that the result was drawn to be checked.

-- name: check_desk_page
-- The newest $5, of node $2 where it is named, of state or verdict $3, and of what was said $4 is a part.
SELECT c.job_id, c.unit, c.attempt, u.frames, u.tile, j.params -> '_tiles' AS grid, c.node_id, n.name AS node_name, c.device_class,
       coalesce(c.verdict, CASE WHEN s.at IS NULL THEN 'pending' ELSE 'suspected' END) AS verdict,
       CASE WHEN c.verdict IS NULL THEN coalesce(s.said, '') ELSE c.said END AS said, v.name AS verifier_name,
       c.opened_at, c.decided_at, s.said AS suspicion, a.name AS suspected_by, s.became
FROM checks c
JOIN nodes n ON n.id = c.node_id
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
JOIN jobs j ON j.id = c.job_id
LEFT JOIN nodes v ON v.id = c.verifier_id
LEFT JOIN suspected s ON s.job_id = c.job_id AND s.unit = c.unit AND s.attempt = c.attempt
                     AND ($1::uuid IS NULL OR c.state = 'DECIDED')
LEFT JOIN nodes a ON a.id = s.verifier_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1)
  AND ($2::uuid IS NULL OR c.node_id = $2)
  AND ($3::text IS NULL OR coalesce(c.verdict, CASE WHEN s.at IS NULL THEN 'pending' ELSE 'suspected' END) = $3)
  AND ($4::text IS NULL OR strpos(lower(n.name), lower($4)) > 0 OR strpos(lower(c.said), lower($4)) > 0
       OR starts_with(c.job_id::text, lower($4)))
ORDER BY c.opened_at DESC, c.job_id DESC, c.unit DESC LIMIT $5;

-- name: check_desk_counts
-- How many there are since $2, by verdict.
SELECT coalesce(c.verdict, CASE WHEN s.at IS NULL THEN 'pending' ELSE 'suspected' END) AS verdict, count(*) AS number
FROM checks c JOIN nodes n ON n.id = c.node_id
LEFT JOIN suspicions s ON s.job_id = c.job_id AND s.unit = c.unit AND s.attempt = c.attempt
                      AND ($1::uuid IS NULL OR c.state = 'DECIDED')
WHERE ($1::uuid IS NULL OR n.owner_id = $1) AND (c.opened_at >= $2 OR c.state = 'PENDING')
GROUP BY 1;
