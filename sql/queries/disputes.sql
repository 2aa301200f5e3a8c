-- Disputes for the console, and the results of creators' own renders of disputed frames. The Ledger writes disputes:
-- earnings.sql.

-- name: comparison_keep
-- Store the comparison of dispute $1, once.
INSERT INTO comparisons (dispute_id, verdict, said, places, picture) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: comparisons_beside
-- Count user $1's open disputes with a comparison, without that of unit $3 of job $2.
SELECT count(*) AS others FROM disputes d JOIN comparisons k ON k.dispute_id = d.id
WHERE d.user_id = $1 AND d.state = 'OPEN' AND (d.job_id, d.unit) <> ($2, $3);

-- name: comparison_picture
-- The picture attached to the dispute of unit $2 of job $1, if $3 is the unit's creator or operator; $3 null: for any
-- user.
SELECT k.picture FROM comparisons k JOIN disputes d ON d.id = k.dispute_id
WHERE d.job_id = $1 AND d.unit = $2 AND k.picture IS NOT NULL
  AND ($3::uuid IS NULL OR d.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = d.job_id AND e.unit = d.unit AND e.operator_id = $3));

-- name: dispute_view_page
-- The newest $4 disputes of creator $1 (null: all), in state $2 (null: any), or only dispute $3 (null: all); each
-- with its unit and the share it holds back. $5: only those that the gateway opened.
SELECT d.id, d.job_id, d.unit, d.user_id, c.email, d.reason, d.charge, d.state, d.decision, d.opened_at,
       d.decided_at, d.by_gateway, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, s.operator_id, o.email AS operator,
       coalesce(s.amount, 0) AS share, d.finding
FROM disputes d
JOIN jobs j ON j.id = d.job_id
JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
JOIN users c ON c.id = d.user_id
LEFT JOIN earnings s ON s.job_id = d.job_id AND s.unit = d.unit
LEFT JOIN users o ON o.id = s.operator_id
WHERE ($1::uuid IS NULL OR d.user_id = $1) AND ($2::text IS NULL OR d.state = $2) AND ($3::uuid IS NULL OR d.id = $3)
  AND (d.by_gateway OR NOT $5::boolean)
ORDER BY d.opened_at DESC, d.id DESC LIMIT $4;

-- name: dispute_view_counts
-- Count disputes by state, of creator $1 (null: all).
SELECT state, count(*) AS number FROM disputes WHERE $1::uuid IS NULL OR user_id = $1 GROUP BY state;

-- name: dispute_view_withheld
-- Count the shares that the gateway withholds until they are checked, and those that it has withheld for longer than
-- $1.
SELECT count(*) AS number, count(*) FILTER (WHERE opened_at < now() - $1::interval) AS due
FROM disputes WHERE state = 'OPEN' AND by_gateway;

-- name: dispute_view_comparison
-- The creator's comparison attached to dispute $1, for creator $2 (null: anyone).
SELECT k.verdict, k.said, k.picture IS NOT NULL AS has_picture
FROM comparisons k JOIN disputes d ON d.id = k.dispute_id
WHERE d.id = $1 AND ($2::uuid IS NULL OR d.user_id = $2);

-- name: dispute_view_picture
-- The picture of the creator's comparison.
SELECT k.picture FROM comparisons k JOIN disputes d ON d.id = k.dispute_id
WHERE d.id = $1 AND ($2::uuid IS NULL OR d.user_id = $2) AND k.picture IS NOT NULL;

-- name: dispute_view_of_job
-- The units of a job with a dispute, open or decided.
SELECT unit, id, state FROM disputes WHERE job_id = $1;

-- name: dispute_view_open_to
-- Unit $2 of user $3's job $1 and its tiles, as far as they are charged and can be disputed at $5: the share is still
-- pending, or there is no share and the unit ended after $4.
SELECT u.number, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, h.settled AS charge
FROM units u
JOIN jobs j ON j.id = u.job_id AND j.user_id = $3
JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number AND h.settled > 0
LEFT JOIN earnings s ON s.job_id = u.job_id AND s.unit = u.number
WHERE u.job_id = $1 AND (u.number = $2 OR u.feeds = $2) AND u.state = 'COMPLETED'
  AND CASE WHEN s.id IS NULL THEN u.ended_at > $4 ELSE s.state = 'PENDING' AND s.payable_at > $5 END
  AND NOT EXISTS (SELECT FROM disputes d WHERE d.job_id = u.job_id AND d.unit = u.number
                  AND NOT (d.by_gateway AND d.state = 'REJECTED'))
ORDER BY u.number;

-- name: dispute_view_entries
-- The entries of a dispute's decision: on its creator's account, and, with $2, on the account that had the share.
SELECT e.entry_id, t.kind, e.amount, e.created_at, l.leaf_index IS NOT NULL AS is_logged
FROM disputes d
LEFT JOIN earnings s ON s.job_id = d.job_id AND s.unit = d.unit
JOIN accounts a ON a.name = 'user:' || d.user_id
     OR ($2 AND a.name = coalesce('operator:' || s.operator_id, 'suspense'))
JOIN transfers t ON t.subject = a.id AND t.kind IN ('REFUND', 'REVERSAL')
     AND t.reference IN ('job:' || d.job_id || ':' || d.unit, 'dispute:' || d.job_id || ':' || d.unit)
JOIN entries e ON e.transfer_id = t.id AND e.account_id = a.id AND e.created_at = d.decided_at
LEFT JOIN leaves l ON l.entry_id = e.entry_id
WHERE d.id = $1 ORDER BY e.entry_id;
