-- The invariants of earnings, like those of fsck.sql: a row per violation, at most $1.

-- name: fsck_i4_shares
-- A share is what was booked for its unit, and everything booked is a share.
SELECT 'unit ' || coalesce(e.job_id || ':' || e.unit, t.reference) AS subject,
       CASE WHEN e.id IS NULL THEN 'earned ' || t.amount || ', which is nobody''s share'
            WHEN t.id IS NULL THEN 'a share of ' || e.amount || ' that was not booked'
            ELSE 'a share of ' || e.amount || ', booked ' || t.amount END AS found
FROM earnings e
FULL JOIN (SELECT id, amount, reference FROM transfers WHERE kind = 'EARNING') t
       ON t.reference = 'job:' || e.job_id || ':' || e.unit
WHERE e.amount IS DISTINCT FROM t.amount
ORDER BY e.job_id, e.unit, t.id LIMIT $1;

-- name: fsck_i4_owed
-- The balance of an operator, or of suspense, is the sum of its pending and payable shares.
SELECT coalesce(a.name, e.name) AS subject,
       'balance ' || coalesce(a.balance, 0) || ', but ' || coalesce(e.owed, 0)
           || ' is pending or payable' AS found
FROM (SELECT name, balance FROM accounts WHERE name = 'suspense' OR name LIKE 'operator:%') a
FULL JOIN (SELECT coalesce('operator:' || operator_id, 'suspense') AS name, sum(amount) AS owed
           FROM earnings WHERE state IN ('PENDING', 'PAYABLE') GROUP BY operator_id) e
       ON e.name = a.name
WHERE coalesce(a.balance, 0) <> coalesce(e.owed, 0)
ORDER BY 1 LIMIT $1;

-- name: fsck_i4_disputed
-- An upheld dispute refunded the charge and reversed the share, once; no other did. A disputed share is neither payable
-- nor paid.
SELECT 'dispute ' || d.job_id || ':' || d.unit AS subject,
       d.state || ', gave back ' || coalesce(r.amount, 0) || ' of ' || d.charge
           || ', share ' || coalesce(e.state, 'none') || ', reversed ' || coalesce(v.amount, 0)
           AS found
FROM disputes d
LEFT JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
LEFT JOIN (SELECT substr(reference, strpos(reference, ':')) AS unit, sum(amount) AS amount
           FROM transfers
           WHERE kind = 'REFUND' AND (reference LIKE 'job:%' OR reference LIKE 'dispute:%')
           GROUP BY 1) r ON r.unit = ':' || d.job_id || ':' || d.unit
LEFT JOIN transfers v ON v.kind = 'REVERSAL' AND v.reference = 'job:' || d.job_id || ':' || d.unit
WHERE (d.state = 'UPHELD' AND coalesce(r.amount, 0) <> d.charge)
   OR coalesce(v.amount, 0) <> CASE WHEN d.state = 'UPHELD' AND e.state <> 'FORFEITED' THEN coalesce(e.amount, 0) ELSE 0 END
   OR (e.state <> 'FORFEITED' AND (e.state = 'REVERSED') <> (d.state = 'UPHELD'))
   OR (d.state = 'OPEN' AND e.state NOT IN ('PENDING', 'FORFEITED'))
ORDER BY d.job_id, d.unit LIMIT $1;

-- name: fsck_i4_reversed
-- Only an upheld dispute reverses a share and refunds the rest of a charge.
SELECT 'unit ' || e.job_id || ':' || e.unit AS subject,
       'REVERSED, and its dispute is ' || coalesce(d.state, 'none') AS found
FROM earnings e LEFT JOIN disputes d ON d.job_id = e.job_id AND d.unit = e.unit
WHERE e.state = 'REVERSED' AND d.state IS DISTINCT FROM 'UPHELD'
UNION ALL
SELECT 'transfer ' || t.id, t.kind || ' ' || t.amount || ' without a dispute that was upheld'
FROM transfers t
LEFT JOIN disputes d ON d.state = 'UPHELD' AND t.reference =
    CASE t.kind WHEN 'REFUND' THEN 'dispute:' ELSE 'job:' END || d.job_id || ':' || d.unit
WHERE (t.kind = 'REVERSAL' OR (t.kind = 'REFUND' AND t.reference LIKE 'dispute:%')) AND d.id IS NULL
ORDER BY 1 LIMIT $1;

-- name: fsck_i4_fines
-- A share is forfeited for one invalid result that was a strike; and an operator's forfeited shares are what moved to
-- revenue and not back.
SELECT 'share ' || coalesce(e.id, f.share_id) AS subject,
       coalesce(e.state, 'not forfeited') || '; its reason is ' || coalesce(c.verdict, 'none') AS found
FROM (SELECT * FROM earnings WHERE state = 'FORFEITED') e
FULL JOIN (SELECT * FROM fines WHERE returned_at IS NULL) f ON f.share_id = e.id
LEFT JOIN checks c ON c.job_id = f.job_id AND c.unit = f.unit AND c.attempt = f.attempt
WHERE e.id IS NULL OR c.strike IS NOT TRUE
UNION ALL
SELECT coalesce(t.name, e.name), 'fined ' || coalesce(t.amount, 0) || ', ' || coalesce(e.amount, 0) || ' is forfeited'
FROM (SELECT coalesce('operator:' || operator_id, 'suspense') AS name, sum(amount) AS amount
      FROM earnings WHERE state = 'FORFEITED' GROUP BY operator_id) e
FULL JOIN (SELECT a.name, sum(CASE WHEN t.subject = t.debit THEN t.amount ELSE -t.amount END) AS amount
           FROM transfers t JOIN accounts a ON a.id = t.subject WHERE t.kind = 'FINE' GROUP BY a.name) t
       ON t.name = e.name
WHERE coalesce(t.amount, 0) <> coalesce(e.amount, 0)
ORDER BY 1 LIMIT $1;

-- name: fsck_i4_fined
-- A fine takes no more than was due for its result, plus part of one share.
SELECT 'unit ' || c.job_id || ':' || c.unit AS subject,
       'attempt ' || c.attempt || ' is fined ' || f.amount || ' at odds ' || coalesce(c.odds::text, 'of none') AS found
FROM (SELECT f.job_id, f.unit, f.attempt, sum(e.amount) AS amount, max(e.amount) AS most
      FROM fines f JOIN earnings e ON e.id = f.share_id WHERE f.returned_at IS NULL GROUP BY 1, 2, 3) f
JOIN checks c ON c.job_id = f.job_id AND c.unit = f.unit AND c.attempt = f.attempt
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
CROSS JOIN LATERAL (SELECT u.price * c.share_percent / 100 AS amount) s
WHERE (f.amount - f.most < 2 * s.amount / c.odds::float8 - s.amount + 1) IS NOT TRUE
ORDER BY 1 LIMIT $1;

-- name: fsck_i5_payouts
-- A paid payout moved its amount once; its shares sum up to it and are paid. An unpaid one moved nothing.
SELECT 'payout ' || p.id AS subject,
       p.state || ' ' || p.amount || ' for ' || p.units || ' shares, moved '
           || coalesce(t.amount, 0) || '; it has ' || coalesce(e.units, 0) || ' shares of '
           || coalesce(e.amount, 0) || ', paid ' || coalesce(e.paid, 0) AS found
FROM payouts p
LEFT JOIN (SELECT payout_id, count(*) AS units, sum(amount) AS amount,
                  count(*) FILTER (WHERE state = 'PAID') AS paid
           FROM earnings WHERE payout_id IS NOT NULL GROUP BY payout_id) e ON e.payout_id = p.id
LEFT JOIN (SELECT reference, sum(amount) AS amount FROM transfers WHERE kind = 'PAYOUT'
           GROUP BY reference) t ON t.reference = 'payout:' || p.id
WHERE coalesce(t.amount, 0) <> CASE WHEN p.state = 'PAID' THEN p.amount ELSE 0 END
   OR coalesce(e.paid, 0) <> CASE WHEN p.state = 'PAID' THEN p.units ELSE 0 END
   OR coalesce(e.units, 0) <> CASE WHEN p.state = 'REJECTED' THEN 0 ELSE p.units END
   OR coalesce(e.amount, 0) <> CASE WHEN p.state = 'REJECTED' THEN 0 ELSE p.amount END
ORDER BY p.id LIMIT $1;

-- name: fsck_i5_shares
-- A share is paid out to the operator it is owed to.
SELECT 'share of job:' || e.job_id || ':' || e.unit AS subject,
       'owed to ' || coalesce(e.operator_id::text, 'nobody') || ', paid out to ' || p.operator_id
           || ' by payout ' || p.id AS found
FROM earnings e JOIN payouts p ON p.id = e.payout_id
WHERE e.operator_id IS DISTINCT FROM p.operator_id
ORDER BY 1 LIMIT $1;

-- name: fsck_i5_paid
-- Nothing is paid out except by a payout.
SELECT 'transfer ' || t.id AS subject, t.reference || ' paid ' || t.amount || ', and is not there'
           AS found
FROM transfers t
WHERE t.kind = 'PAYOUT'
  AND NOT EXISTS (SELECT FROM payouts p WHERE t.reference = 'payout:' || p.id)
ORDER BY t.id LIMIT $1;

-- name: fsck_i5_claims
-- A share left suspense once, for its operator.
SELECT 'transfer ' || t.id AS subject,
       'claimed ' || t.amount || ' for ' || t.reference || ', a share of '
           || coalesce(e.amount::text, 'nothing') || ' of '
           || coalesce(e.operator_id::text, 'nobody') AS found
FROM transfers t
JOIN accounts a ON a.id = t.credit
LEFT JOIN earnings e ON t.reference = 'job:' || e.job_id || ':' || e.unit
WHERE t.kind = 'CLAIM'
  AND (e.amount IS DISTINCT FROM t.amount OR a.name IS DISTINCT FROM 'operator:' || e.operator_id)
ORDER BY t.id LIMIT $1;
