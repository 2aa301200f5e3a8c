-- Nodes for the console. $1: their owner; null: all.

-- name: fleet_page
-- A page of the newest $4 that match, sorted by $5 ('-': descending). $2: part of the name, of a capability or of the
-- owner's e-mail, or a prefix of the id; $3: a status or standing. With the current unit, and earnings since $6. $9:
-- nodes connected here, in the order for the sort key 'pong'.
WITH found AS (
    SELECT n.*, u.email FROM nodes n LEFT JOIN users u ON u.id = n.owner_id
    WHERE ($1::uuid IS NULL OR n.owner_id = $1)
      AND ($2::text IS NULL OR strpos(lower(n.name), lower($2)) > 0
           OR starts_with(n.id::text, lower($2)) OR strpos(lower(u.email), lower($2)) > 0
           OR EXISTS (SELECT FROM unnest(n.capabilities) c WHERE strpos(lower(c), lower($2)) > 0))
      AND ($3::text IS NULL OR n.status = $3 OR n.standing = $3)
    ORDER BY n.created_at DESC, n.id DESC LIMIT $4
), page AS (
    SELECT f.* FROM found f
    ORDER BY CASE $5::text WHEN 'name' THEN f.name WHEN 'status' THEN f.status
                           WHEN 'standing' THEN f.standing WHEN 'owner' THEN f.email END,
             CASE $5 WHEN '-name' THEN f.name WHEN '-status' THEN f.status
                     WHEN '-standing' THEN f.standing WHEN '-owner' THEN f.email
             END DESC NULLS LAST,
             CASE $5 WHEN 'load' THEN f.current_load END,
             CASE $5 WHEN '-load' THEN f.current_load END DESC NULLS LAST,
             CASE $5 WHEN 'seen' THEN f.seen_at WHEN 'created' THEN f.created_at END,
             CASE $5 WHEN '-seen' THEN f.seen_at END DESC NULLS LAST,
             CASE WHEN $5 IN ('earned', '-earned') THEN (  -- asked for by no other order
                 SELECT coalesce(sum(e.amount), 0) * CASE $5 WHEN 'earned' THEN 1 ELSE -1 END FROM earnings e
                 WHERE e.operator_id = f.owner_id AND e.node_id = f.id AND e.earned_at >= $6
                   AND e.state NOT IN ('REVERSED', 'FORFEITED')) END,
             CASE WHEN $5 IN ('work', '-work') THEN (
                 SELECT count(*) * CASE $5 WHEN 'work' THEN 1 ELSE -1 END FROM at_nodes u
                 WHERE u.node_id = f.id) END,
             CASE WHEN $5 IN ('pong', '-pong') THEN array_position($9::uuid[], f.id) END NULLS LAST,
             f.created_at DESC, f.id DESC
    LIMIT $7 OFFSET $8
), earned AS (
    SELECT e.node_id, sum(e.amount)::bigint AS amount
    FROM (SELECT DISTINCT owner_id FROM page) o
    JOIN earnings e ON e.operator_id = o.owner_id
    WHERE e.earned_at >= $6 AND e.state NOT IN ('REVERSED', 'FORFEITED') GROUP BY e.node_id
)
SELECT p.id, p.owner_id, p.email, p.name, p.capabilities, p.status, p.standing, p.standing_reason,
       p.current_load, p.verified_at, p.seen_at, p.created_at, w.job_id, w.unit, w.job_type,
       w.assigned_at, coalesce(w.units, 0) AS units, coalesce(e.amount, 0) AS earned
FROM page p
LEFT JOIN earned e ON e.node_id = p.id
LEFT JOIN LATERAL (
    SELECT u.job_id, u.unit, j.job_type, u.assigned_at, count(*) OVER () AS units
    FROM at_nodes u JOIN jobs j ON j.id = u.job_id
    WHERE u.node_id = p.id
    ORDER BY u.state DESC, u.assigned_at, u.job_id, u.unit LIMIT 1) w ON true
ORDER BY CASE $5 WHEN 'name' THEN p.name WHEN 'status' THEN p.status
                 WHEN 'standing' THEN p.standing WHEN 'owner' THEN p.email END,
         CASE $5 WHEN '-name' THEN p.name WHEN '-status' THEN p.status
                 WHEN '-standing' THEN p.standing WHEN '-owner' THEN p.email END DESC NULLS LAST,
         CASE $5 WHEN 'load' THEN p.current_load END,
         CASE $5 WHEN '-load' THEN p.current_load END DESC NULLS LAST,
         CASE $5 WHEN 'seen' THEN p.seen_at WHEN 'created' THEN p.created_at END,
         CASE $5 WHEN '-seen' THEN p.seen_at END DESC NULLS LAST,
         CASE $5 WHEN 'earned' THEN coalesce(e.amount, 0) WHEN '-earned' THEN -coalesce(e.amount, 0) END,
         CASE $5 WHEN 'work' THEN coalesce(w.units, 0) WHEN '-work' THEN -coalesce(w.units, 0) END,
         CASE WHEN $5 IN ('pong', '-pong') THEN array_position($9::uuid[], p.id) END NULLS LAST,
         p.created_at DESC, p.id DESC;

-- name: fleet_counts
-- Count the nodes that match $2, by status and standing.
SELECT n.status, n.standing, count(*) AS count
FROM nodes n LEFT JOIN users u ON u.id = n.owner_id
WHERE ($1::uuid IS NULL OR n.owner_id = $1)
  AND ($2::text IS NULL OR strpos(lower(n.name), lower($2)) > 0
       OR starts_with(n.id::text, lower($2)) OR strpos(lower(u.email), lower($2)) > 0
       OR EXISTS (SELECT FROM unnest(n.capabilities) c WHERE strpos(lower(c), lower($2)) > 0))
GROUP BY n.status, n.standing;

-- name: fleet_work
-- A node's running units, then its queued ones.
SELECT u.job_id, u.unit, w.frames, w.tile, j.params -> '_tiles' AS grid, u.attempt, u.state, j.job_type, u.assigned_at, u.started_at,
       u.lease_until
FROM at_nodes u JOIN jobs j ON j.id = u.job_id
JOIN units w ON w.job_id = u.job_id AND w.number = u.unit
WHERE u.node_id = $1
ORDER BY u.state DESC, u.assigned_at, u.job_id, u.unit LIMIT $2;

-- name: fleet_shares
-- The last $4 earnings of owner $1 by a node since $3, newest first, with the entry that pays each.
WITH newest AS (
    SELECT id, job_id, unit, amount, state, earned_at FROM earnings
    WHERE operator_id = $1 AND node_id = $2 AND earned_at >= $3
    ORDER BY earned_at DESC, id DESC LIMIT $4
)
SELECT e.*, w.frames, w.tile, j.params -> '_tiles' AS grid, j.job_type,
       EXISTS (SELECT FROM receipts r
               WHERE r.job_id = e.job_id AND r.unit = e.unit) AS has_receipt,
       (SELECT s.entry_id FROM share_entries s WHERE s.share_id = e.id) AS entry_id,
       (SELECT CASE WHEN d.by_gateway THEN d.decision ELSE '' END FROM disputes d
        WHERE e.state = 'REVERSED' AND d.job_id = e.job_id AND d.unit = e.unit) AS decision
FROM newest e JOIN jobs j ON j.id = e.job_id
LEFT JOIN units w ON w.job_id = e.job_id AND w.number = e.unit
ORDER BY e.earned_at DESC, e.id DESC;

-- name: fleet_earned
-- The earnings of owner $1 by a node since $3, and the number of units.
SELECT coalesce(sum(amount), 0)::bigint AS amount, count(*) AS units FROM earnings
WHERE operator_id = $1 AND node_id = $2 AND earned_at >= $3 AND state NOT IN ('REVERSED', 'FORFEITED');

-- name: fleet_person
-- The e-mail address of a user.
SELECT email FROM users WHERE id = $1;
