-- Earnings, payouts and statements for operators and admins. Only the Ledger writes them.

-- name: earnings_of_operator
-- A page of an operator's shares, newest first; optionally only those older than share $4, or in state $5. Each
-- row includes the number of the ledger entry that paid the share.
WITH page AS (
    SELECT id, job_id, unit, node_id, amount, state, earned_at, payable_at, payout_id
    FROM earnings
    WHERE operator_id = $1 AND (earned_at, id) < (
          coalesce((SELECT earned_at FROM earnings WHERE id = $4::uuid), 'infinity'),
          coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      AND ($5::text IS NULL OR state = $5)
    ORDER BY earned_at DESC, id DESC LIMIT $2 OFFSET $3
)
SELECT e.*,
       EXISTS (SELECT FROM disputes d
               WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN') AS disputed,
       EXISTS (SELECT FROM receipts r
               WHERE r.job_id = e.job_id AND r.unit = e.unit) AS has_receipt,
       (SELECT s.entry_id FROM share_entries s WHERE s.share_id = e.id) AS entry_id,
       (SELECT CASE WHEN d.by_gateway THEN d.decision ELSE '' END FROM disputes d
        WHERE e.state = 'REVERSED' AND d.job_id = e.job_id AND d.unit = e.unit) AS decision
FROM page e ORDER BY e.earned_at DESC, e.id DESC;

-- name: earning_is_of_operator
-- A row if the share belongs to the operator, so that a page may begin after it.
SELECT FROM earnings WHERE id = $2 AND operator_id = $1;

-- name: earnings_totals
-- Sums of an operator's shares by state; requested payable shares are separate.
SELECT state, payout_id IS NOT NULL AND state = 'PAYABLE' AS requested, count(*) AS units,
       sum(amount)::bigint AS amount
FROM earnings WHERE operator_id = $1 GROUP BY 1, 2;

-- name: payout_is_known
-- A row if this is a payout, to operator $1 (null: to anyone), so that a page may begin after it.
SELECT FROM payouts WHERE id = $2 AND ($1::uuid IS NULL OR operator_id = $1);

-- name: payouts_page
-- A page of payouts with their operators, newest first, to operator $1 or all, in state $2 or any, older than payout
-- $3; at most $4, after the first $5.
SELECT p.id, p.operator_id, u.email, u.name, p.kind, p.amount, p.units, p.state, p.batch_id,
       p.reference, p.requested_at, p.closed_at
FROM payouts p JOIN users u ON u.id = p.operator_id
WHERE ($1::uuid IS NULL OR p.operator_id = $1) AND ($2::text IS NULL OR p.state = $2)
  AND (p.requested_at, p.id) < (
      coalesce((SELECT requested_at FROM payouts WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY p.requested_at DESC, p.id DESC LIMIT $4 OFFSET $5;

-- name: payouts_count
-- Count payouts.
SELECT count(*) FROM payouts
WHERE ($1::uuid IS NULL OR operator_id = $1) AND ($2::text IS NULL OR state = $2);

-- name: payouts_by_id
-- These payouts, and those of these batches, oldest first.
SELECT p.id, p.operator_id, u.email, u.name, p.kind, p.amount, p.units, p.state, p.batch_id,
       p.reference, p.requested_at, p.closed_at
FROM payouts p JOIN users u ON u.id = p.operator_id
WHERE p.id = ANY($1::uuid[]) OR p.batch_id = ANY($2::uuid[])
ORDER BY p.requested_at, p.id;

-- name: statement_at
-- An operator's balance at a time, and the number of the entry that led to it. Each entry lies on one side of that
-- number, even if two gateways' clocks differ.
SELECT version, after AS balance FROM entries
WHERE account_id = (SELECT id FROM accounts WHERE name = 'operator:' || $1::uuid) AND created_at < $2
ORDER BY version DESC LIMIT 1;

-- name: statement_sums
-- Sums of the entries after number $2 up to $3, by kind.
SELECT t.kind, sum(e.amount)::bigint AS amount, count(*) AS count
FROM entries e JOIN transfers t ON t.id = e.transfer_id
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'operator:' || $1::uuid)
  AND e.version > $2 AND e.version <= $3
GROUP BY t.kind;

-- name: statement_lines
-- The entries after number $2 up to $3, oldest first, at most $4. The unit of a fine is the one with the invalid
-- result.
SELECT e.entry_id, e.version, e.created_at, t.kind, e.amount, e.after AS balance, t.description,
       u.job_id, u.number AS unit,
       CASE WHEN t.reference LIKE 'job:%' THEN u.node_id END AS node_id,
       CASE WHEN t.kind = 'PAYOUT' THEN split_part(t.reference, ':', 2)::uuid END AS payout_id
FROM entries e
JOIN transfers t ON t.id = e.transfer_id
LEFT JOIN units u
       ON u.job_id = CASE WHEN t.reference ~ '^(job|fine):'
                          THEN split_part(t.reference, ':', 2)::uuid END
      AND u.number = CASE WHEN t.reference ~ '^(job|fine):'
                          THEN split_part(t.reference, ':', 3)::integer END
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'operator:' || $1::uuid)
  AND e.version > $2 AND e.version <= $3
ORDER BY e.version LIMIT $4;

-- name: statement_groups
-- The entries after number $2 up to $3, oldest first, at most $4 lines: one line for all entries of a kind about the
-- same node or payout on a day.
WITH moved AS (
    SELECT e.version, e.amount, t.kind, (e.created_at AT TIME ZONE 'UTC')::date AS day,
           CASE WHEN t.reference LIKE 'job:%' THEN u.node_id END AS node_id,
           CASE WHEN t.kind = 'PAYOUT' THEN split_part(t.reference, ':', 2)::uuid END AS payout_id
    FROM entries e
    JOIN transfers t ON t.id = e.transfer_id
    LEFT JOIN units u
           ON u.job_id = CASE WHEN t.reference LIKE 'job:%' THEN split_part(t.reference, ':', 2)::uuid END
          AND u.number = CASE WHEN t.reference LIKE 'job:%' THEN split_part(t.reference, ':', 3)::integer END
    WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'operator:' || $1::uuid)
      AND e.version > $2 AND e.version <= $3
), lines AS (
    SELECT min(version) AS first, day, kind, node_id, payout_id, count(*) AS entries, sum(amount)::bigint AS amount
    FROM moved GROUP BY day, kind, node_id, payout_id
    ORDER BY first LIMIT $4
)
SELECT l.day, l.kind, l.entries, l.amount, l.payout_id, n.name AS node
FROM lines l LEFT JOIN nodes n ON n.id = l.node_id
ORDER BY l.first;
