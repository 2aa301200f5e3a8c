-- The invariants of earnings, as those of the books in fsck.sql: a row per violation.

-- name: fsck_transfers_i4_earnings
-- Only a verified unit pays an operator, at most its charge, and its share agrees.
SELECT 'transfer ' || t.id AS subject,
       'earned ' || t.amount || ' for ' || t.reference || ', which is '
           || coalesce(u.state || CASE WHEN u.verified THEN ', verified' ELSE ', not verified' END,
                       'no unit')
           || ', charged ' || coalesce(h.settled, 0) || ', with a share of '
           || coalesce(e.amount, 0) AS found
FROM transfers t
CROSS JOIN LATERAL (SELECT replace(split_part(t.reference, ':', 2), '-', '') AS job,
                           split_part(t.reference, ':', 3) AS unit) r
LEFT JOIN units u
       ON u.job_id = CASE WHEN length(r.job) = 32 AND r.job ~ '^[0-9a-f]*$' THEN r.job::uuid END
      AND u.number = CASE WHEN r.unit ~ '^[0-9]{1,9}$' THEN r.unit::integer END
LEFT JOIN holds h ON h.reference = t.reference
LEFT JOIN earnings e ON e.job_id = u.job_id AND e.unit = u.number
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'EARNING'
  AND (u.state IS DISTINCT FROM 'COMPLETED' OR u.verified IS DISTINCT FROM true
       OR t.amount > coalesce(h.settled, 0) OR e.amount IS DISTINCT FROM t.amount)
ORDER BY t.id;

-- name: fsck_whole_i4_shares
-- Every share was booked.
SELECT 'unit ' || e.job_id || ':' || e.unit AS subject, 'a share of ' || e.amount || ' that was not booked' AS found
FROM earnings e
LEFT JOIN transfers t ON t.kind = 'EARNING' AND t.reference = 'job:' || e.job_id || ':' || e.unit
WHERE t.id IS NULL
ORDER BY e.job_id, e.unit;

-- name: fsck_whole_i4_owed
-- The balance of an operator, or of suspense, is the sum of its pending and payable shares.
SELECT coalesce(a.name, e.name) AS subject,
       'balance ' || coalesce(a.balance, 0) || ', but ' || coalesce(e.owed, 0)
           || ' is pending or payable' AS found
FROM (SELECT name, balance FROM accounts WHERE name = 'suspense' OR name LIKE 'operator:%') a
FULL JOIN (SELECT coalesce('operator:' || operator_id, 'suspense') AS name, sum(amount) AS owed
           FROM earnings WHERE state IN ('PENDING', 'PAYABLE') GROUP BY operator_id) e
       ON e.name = a.name
WHERE coalesce(a.balance, 0) <> coalesce(e.owed, 0)
ORDER BY 1;

-- name: fsck_whole_i4_disputed
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
ORDER BY d.job_id, d.unit;

-- name: fsck_whole_i4_reversed
-- Only an upheld dispute reverses a share.
SELECT 'unit ' || e.job_id || ':' || e.unit AS subject,
       'REVERSED, and its dispute is ' || coalesce(d.state, 'none') AS found
FROM earnings e LEFT JOIN disputes d ON d.job_id = e.job_id AND d.unit = e.unit
WHERE e.state = 'REVERSED' AND d.state IS DISTINCT FROM 'UPHELD'
ORDER BY e.job_id, e.unit;

-- name: fsck_transfers_i4_reversed
-- Only an upheld dispute takes a share back, and refunds the rest of a charge.
SELECT 'transfer ' || t.id AS subject, t.kind || ' ' || t.amount || ' without a dispute that was upheld'
           AS found
FROM transfers t
CROSS JOIN LATERAL regexp_match(
    t.reference, '^(job|dispute):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(0|[1-9][0-9]{0,8})$') AS m
LEFT JOIN disputes d ON d.state = 'UPHELD' AND d.job_id = m[2]::uuid AND d.unit = m[3]::integer
                    AND m[1] = CASE t.kind WHEN 'REFUND' THEN 'dispute' ELSE 'job' END
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND (t.kind = 'REVERSAL' OR (t.kind = 'REFUND' AND t.reference LIKE 'dispute:%')) AND d.id IS NULL
ORDER BY t.id;

-- name: fsck_whole_i4_fines
-- A share is forfeited while a fine of it is not returned; and an operator's forfeited shares are what moved to revenue
-- and not back.
SELECT 'share ' || coalesce(e.id, f.share_id) AS subject,
       CASE WHEN e.id IS NULL THEN 'fined for ' || f.job_id || ':' || f.unit || ' and not forfeited'
            ELSE 'forfeited without a fine' END AS found
FROM (SELECT * FROM earnings WHERE state = 'FORFEITED') e
FULL JOIN (SELECT * FROM fines WHERE returned_at IS NULL) f ON f.share_id = e.id
WHERE e.id IS NULL OR f.share_id IS NULL
UNION ALL
SELECT coalesce(t.name, e.name), 'fined ' || coalesce(t.amount, 0) || ', ' || coalesce(e.amount, 0) || ' is forfeited'
FROM (SELECT coalesce('operator:' || operator_id, 'suspense') AS name, sum(amount) AS amount
      FROM earnings WHERE state = 'FORFEITED' GROUP BY operator_id) e
FULL JOIN (SELECT a.name, sum(CASE WHEN t.subject = t.debit THEN t.amount ELSE -t.amount END) AS amount
           FROM transfers t JOIN accounts a ON a.id = t.subject WHERE t.kind = 'FINE' GROUP BY a.name) t
       ON t.name = e.name
WHERE coalesce(t.amount, 0) <> coalesce(e.amount, 0)
ORDER BY 1;

-- name: fsck_transfers_i4_fines
-- What was fined for a result, and not returned, is what is forfeited for it; and the result was a strike.
SELECT 'transfer ' || t.id AS subject,
       'fined ' || w.amount || ' for ' || t.reference || ', ' || coalesce(f.amount, 0) || ' is forfeited; its reason is '
           || coalesce(c.verdict, 'none') AS found
FROM transfers t
CROSS JOIN LATERAL (SELECT split_part(t.reference, ':back', 1) AS reference) r
CROSS JOIN LATERAL (SELECT sum(CASE WHEN o.subject = o.debit THEN o.amount ELSE -o.amount END) AS amount
                    FROM transfers o WHERE o.subject = t.subject AND o.kind = 'FINE'
                      AND o.reference IN (r.reference, r.reference || ':back')) w
CROSS JOIN LATERAL regexp_match(
    r.reference, '^fine:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9}):([0-9]{1,9})$') AS m
LEFT JOIN checks c ON c.job_id = m[1]::uuid AND c.unit = m[2]::integer AND c.attempt = m[3]::integer
LEFT JOIN LATERAL (SELECT sum(e.amount) AS amount FROM fines f JOIN earnings e ON e.id = f.share_id
                   WHERE f.job_id = c.job_id AND f.unit = c.unit AND f.attempt = c.attempt
                     AND f.returned_at IS NULL AND e.state = 'FORFEITED') f ON true
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'FINE' AND (coalesce(f.amount, 0) <> w.amount OR c.strike IS NOT TRUE)
ORDER BY t.id;

-- name: fsck_whole_i4_fined
-- A fine takes no more than was due for its result, plus part of one share.
SELECT 'unit ' || c.job_id || ':' || c.unit AS subject,
       'attempt ' || c.attempt || ' is fined ' || f.amount || ' at odds ' || coalesce(c.odds::text, 'of none') AS found
FROM (SELECT f.job_id, f.unit, f.attempt, sum(e.amount) AS amount, max(e.amount) AS most
      FROM fines f JOIN earnings e ON e.id = f.share_id WHERE f.returned_at IS NULL GROUP BY 1, 2, 3) f
JOIN checks c ON c.job_id = f.job_id AND c.unit = f.unit AND c.attempt = f.attempt
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
CROSS JOIN LATERAL (SELECT u.price * c.share_percent / 100 AS amount) s
WHERE (f.amount - f.most < 2 * s.amount / c.odds::float8 - s.amount + 1) IS NOT TRUE
ORDER BY 1;

-- name: fsck_whole_i5_payouts
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
ORDER BY p.id;

-- name: fsck_whole_i5_shares
-- A share is paid out to the operator it is owed to.
SELECT 'share of job:' || e.job_id || ':' || e.unit AS subject,
       'owed to ' || coalesce(e.operator_id::text, 'nobody') || ', paid out to ' || p.operator_id
           || ' by payout ' || p.id AS found
FROM earnings e JOIN payouts p ON p.id = e.payout_id
WHERE e.operator_id IS DISTINCT FROM p.operator_id
ORDER BY 1;

-- name: fsck_transfers_i5_paid
-- Nothing is paid out except by a paid payout, with its amount.
SELECT 'transfer ' || t.id AS subject,
       t.reference || ' paid ' || t.amount || ', a payout of ' || coalesce(p.amount, 0) || ' that is '
           || coalesce(p.state, 'not there') AS found
FROM transfers t
CROSS JOIN LATERAL regexp_match(
    t.reference, '^payout:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$') AS m
LEFT JOIN payouts p ON p.id = m[1]::uuid
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'PAYOUT' AND (p.state IS DISTINCT FROM 'PAID' OR p.amount IS DISTINCT FROM t.amount)
ORDER BY t.id;

-- name: fsck_transfers_i5_claims
-- A share left suspense for its operator.
SELECT 'transfer ' || t.id AS subject,
       'claimed ' || t.amount || ' for ' || t.reference || ', a share of '
           || coalesce(e.amount::text, 'nothing') || ' of '
           || coalesce(e.operator_id::text, 'nobody') AS found
FROM transfers t
JOIN accounts a ON a.id = t.credit
CROSS JOIN LATERAL regexp_match(
    t.reference, '^job:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(0|[1-9][0-9]{0,8})$') AS m
LEFT JOIN earnings e ON e.job_id = m[1]::uuid AND e.unit = m[2]::integer
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'CLAIM'
  AND (e.amount IS DISTINCT FROM t.amount OR a.name IS DISTINCT FROM 'operator:' || e.operator_id)
ORDER BY t.id;
