-- Disputes, and the results of creators' own renders of disputed frames. The Ledger writes disputes: earnings.sql.

-- name: comparison_keep
-- Store the comparison of dispute $1, once.
INSERT INTO comparisons (dispute_id, verdict, said, places, picture) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: problem_keep
-- Store what its creator reports about dispute $1, once.
INSERT INTO problem_reports (dispute_id, problem, region) VALUES ($1, $2, $3)
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

-- name: disputed_result
-- The result of the disputed unit $2 of job $1, unless it has expired, if $3 is the unit's creator or operator; $3 null:
-- for any user.
SELECT d.user_id, d.job_id, d.unit, u.attempt FROM disputes d
JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
WHERE d.job_id = $1 AND d.unit = $2 AND u.state = 'COMPLETED'
  AND ($3::uuid IS NULL OR d.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = d.job_id AND e.unit = d.unit AND e.operator_id = $3))
  AND NOT EXISTS (SELECT FROM expired_results x WHERE x.job_id = d.job_id AND x.unit = d.unit);

-- name: dispute_is_known
-- A row if this is a dispute, of creator $1 (null: of anyone), so that a page may begin after it.
SELECT FROM disputes WHERE id = $2 AND ($1::uuid IS NULL OR user_id = $1);

-- name: dispute_is_about
-- A row if this is a dispute about the work of operator $1, so that a page may begin after it.
SELECT FROM disputes d JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
WHERE d.id = $2 AND e.operator_id = $1 AND d.user_id <> $1;

-- name: dispute_answer_keep
-- Store what operator $2 answers to dispute $1, unless it is decided, was answered before, or is not about their work.
INSERT INTO dispute_answers (dispute_id, operator_id, answer, region, answered_at)
SELECT d.id, $2, $3, $4, $5
FROM disputes d JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
WHERE d.id = $1 AND d.state = 'OPEN' AND e.operator_id = $2 AND d.user_id <> $2
FOR SHARE OF d
ON CONFLICT DO NOTHING RETURNING dispute_id;

-- name: dispute_answers_erase
-- Delete the answers of an operator whose account is deleted.
DELETE FROM dispute_answers WHERE operator_id = $1;

-- name: disputes_page
-- A page of disputes with their units and the shares they hold back, newest first, of creator $1 or all, in state $2 or any,
-- older than dispute $3; at most $4, after the first $5. $6: opened by the gateway, or not; null: either. $7: about the
-- work of this operator; null: of all. $1 and $7: of this creator, and about the work of this operator.
SELECT d.id, d.job_id, j.name AS job_name, d.unit, d.user_id, c.email, d.reason, d.charge, d.state, d.decision, d.opened_at, d.decided_at,
       d.by_gateway, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, s.operator_id,
       o.email AS operator, coalesce(s.amount, 0) AS share, d.finding, r.problem, r.region,
       w.answer, w.region AS answer_region, w.answered_at, s.node_id, n.name AS node
FROM disputes d
JOIN jobs j ON j.id = d.job_id
JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
JOIN users c ON c.id = d.user_id
LEFT JOIN earnings s ON s.job_id = d.job_id AND s.unit = d.unit
LEFT JOIN users o ON o.id = s.operator_id
LEFT JOIN nodes n ON n.id = s.node_id
LEFT JOIN problem_reports r ON r.dispute_id = d.id
LEFT JOIN dispute_answers w ON w.dispute_id = d.id
WHERE ($1::uuid IS NULL AND $7::uuid IS NULL OR d.user_id = $1 OR s.operator_id = $7 AND d.user_id <> $7)
  AND ($2::text IS NULL OR d.state = $2)
  AND ($6::boolean IS NULL OR d.by_gateway = $6)
  AND (d.opened_at, d.id) < (
      coalesce((SELECT opened_at FROM disputes WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY d.opened_at DESC, d.id DESC LIMIT $4 OFFSET $5;

-- name: dispute_found
-- The dispute $1, or that of unit $3 of job $2; only of creator $4, if given.
SELECT d.id, d.job_id, j.name AS job_name, d.unit, d.user_id, c.email, d.reason, d.charge, d.state, d.decision, d.opened_at, d.decided_at,
       d.by_gateway, u.frames, u.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, s.operator_id,
       o.email AS operator, coalesce(s.amount, 0) AS share, d.finding, r.problem, r.region,
       w.answer, w.region AS answer_region, w.answered_at, s.node_id, n.name AS node
FROM disputes d
JOIN jobs j ON j.id = d.job_id
JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
JOIN users c ON c.id = d.user_id
LEFT JOIN earnings s ON s.job_id = d.job_id AND s.unit = d.unit
LEFT JOIN users o ON o.id = s.operator_id
LEFT JOIN nodes n ON n.id = s.node_id
LEFT JOIN problem_reports r ON r.dispute_id = d.id
LEFT JOIN dispute_answers w ON w.dispute_id = d.id
WHERE (d.id = $1 OR (d.job_id = $2 AND d.unit = $3)) AND ($4::uuid IS NULL OR d.user_id = $4);

-- name: dispute_counts
-- Count disputes by state, of creator $1 (null: all). $2: opened by the gateway, or not; null: either.
SELECT state, count(*) AS number FROM disputes
WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::boolean IS NULL OR by_gateway = $2) GROUP BY state;

-- name: dispute_counts_about
-- Count disputes about the work of operator $1 by state.
SELECT d.state, count(*) AS number FROM disputes d JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
WHERE e.operator_id = $1 AND d.user_id <> $1 GROUP BY d.state;

-- name: dispute_withheld
-- Count the shares that the gateway withholds until they are checked, and those that it has withheld for longer than
-- $1.
SELECT count(*) AS number, count(*) FILTER (WHERE opened_at < now() - $1::interval) AS due
FROM disputes WHERE state = 'OPEN' AND by_gateway;

-- name: comparison
-- The creator's comparison attached to dispute $1.
SELECT verdict, said, picture IS NOT NULL AS has_picture FROM comparisons WHERE dispute_id = $1;

-- name: dispute_of_job
-- The units of a job with a dispute, open or decided.
SELECT unit, id, state FROM disputes WHERE job_id = $1;

-- name: dispute_open_to
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

-- name: dispute_entries
-- The entries of a dispute's decision: on its creator's account, and, with $2, on the account that had the share.
SELECT e.entry_id, t.kind, e.amount, e.created_at, l.leaf_index IS NOT NULL AS is_logged
FROM disputes d
LEFT JOIN earnings s ON s.job_id = d.job_id AND s.unit = d.unit
JOIN accounts a ON a.name = 'user:' || d.user_id
     OR ($2 AND a.name = coalesce('operator:' || s.operator_id, 'suspense'))
JOIN transfers t ON t.subject = a.id AND t.kind IN ('REFUND', 'REVERSAL')
     AND t.reference IN ('job:' || d.job_id || ':' || d.unit, 'dispute:' || d.job_id || ':' || d.unit)
JOIN entries e ON e.transfer_id = t.id AND e.account_id = a.id AND e.created_at = d.decided_at
LEFT JOIN leaves l ON l.transfer = t.id
WHERE d.id = $1 ORDER BY e.entry_id;
