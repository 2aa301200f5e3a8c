-- The Ledger's reads and writes of what operators earn, beside those of books.sql and in their
-- transaction. Everything about an earning is done under the lock on its account.

-- name: books_earners
-- Whose accounts are concerned: of earnings by unit ($1, $2), and of payouts by id ($3).
SELECT DISTINCT coalesce('operator:' || operator_id, 'suspense') AS name
FROM earnings
WHERE (job_id, unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
UNION SELECT 'operator:' || operator_id FROM payouts WHERE id = ANY($3::uuid[]);

-- name: books_earnings_lock
-- What the accounts' locks let us see, in one row: earnings and disputes of units, payouts by id.
SELECT ARRAY(SELECT e FROM earnings e
             WHERE e.work = 'RENDER'
               AND (e.job_id, e.unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
             ORDER BY e.job_id, e.unit FOR UPDATE OF e) AS earnings,
       ARRAY(SELECT d FROM disputes d
             WHERE (d.job_id, d.unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
             ORDER BY d.job_id, d.unit FOR UPDATE OF d) AS disputes,
       ARRAY(SELECT p FROM payouts p WHERE p.id = ANY($3::uuid[])
             ORDER BY p.id FOR UPDATE) AS payouts;

-- name: books_payable
-- What a payout to each of these operators would pay now: the oldest $2 shares, as
-- books_earnings_take takes them.
SELECT o.id AS operator_id, count(*)::integer AS units, sum(e.amount)::bigint AS amount
FROM unnest($1::uuid[]) AS o (id)
CROSS JOIN LATERAL (SELECT amount FROM earnings
                    WHERE operator_id = o.id AND state = 'PAYABLE' AND payout_id IS NULL
                    ORDER BY payable_at, id LIMIT $2) e
GROUP BY o.id;

-- name: books_earnings_insert
-- New shares.
INSERT INTO earnings (id, job_id, unit, node_id, operator_id, amount, state, earned_at, payable_at,
                      work, attempt)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::bigint[],
                     $7::text[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::integer[]);

-- name: books_earnings_update
-- What changes of a share, but for its payout.
UPDATE earnings e SET state = n.state, operator_id = n.operator_id
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::uuid[]) AS n (job_id, unit, state, operator_id)
WHERE e.job_id = n.job_id AND e.unit = n.unit AND e.work = 'RENDER';

-- name: books_earnings_take
-- The shares that a new payout ($1, to $2) pays, or is to pay: $3 says what they are then.
UPDATE earnings e SET payout_id = n.payout, state = n.state
FROM (SELECT p.id AS payout, p.state, x.id
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[]) AS p (id, operator, state, most)
      CROSS JOIN LATERAL (SELECT id FROM earnings
                          WHERE operator_id = p.operator AND state = 'PAYABLE' AND payout_id IS NULL
                          ORDER BY payable_at, id LIMIT p.most) x) n
WHERE e.id = n.id;

-- name: books_earnings_close
-- The shares of a payout that was paid ($2), or rejected: those are payable again.
UPDATE earnings e SET state = CASE WHEN n.paid THEN 'PAID' ELSE 'PAYABLE' END,
                      payout_id = CASE WHEN n.paid THEN e.payout_id END
FROM unnest($1::uuid[], $2::boolean[]) AS n (payout, paid)
WHERE e.payout_id = n.payout AND e.state = 'PAYABLE';

-- name: books_payouts_insert
-- New payouts.
INSERT INTO payouts (id, operator_id, kind, amount, units, state, batch_id, reference, requested_at,
                     closed_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::integer[], $6::text[],
                     $7::uuid[], $8::text[], $9::timestamptz[], $10::timestamptz[]);

-- name: books_payouts_update
-- What becomes of a payout.
UPDATE payouts p SET state = n.state, batch_id = n.batch_id, reference = n.reference,
                     closed_at = n.closed_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[])
     AS n (id, state, batch_id, reference, closed_at)
WHERE p.id = n.id;

-- name: books_disputes_insert
-- New disputes.
INSERT INTO disputes (id, job_id, unit, user_id, reason, charge, state, decision, opened_at,
                      decided_at, by_gateway)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::bigint[],
                     $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::boolean[]);

-- name: books_disputes_update
-- What an admin decided.
UPDATE disputes d SET state = n.state, decision = n.decision, decided_at = n.decided_at
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[])
     AS n (job_id, unit, state, decision, decided_at)
WHERE d.job_id = n.job_id AND d.unit = n.unit;

-- name: books_fines_insert
-- New fines.
INSERT INTO fines (share_id, job_id, unit, attempt, at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::timestamptz[]);

-- name: fines_due
-- Of the last day the invalid results that are strikes and were compared at odds below one, $1 at most; what they
-- would have earned, what was forfeited for each already, and of what its operator has pending the newest $2 shares
-- that nobody disputes.
SELECT c.job_id, c.unit, c.attempt, c.odds, u.price * c.share_percent / 100 AS share,
       coalesce((SELECT sum(x.amount) FROM fines f JOIN earnings x ON x.id = f.share_id
                 WHERE f.job_id = c.job_id AND f.unit = c.unit AND f.attempt = c.attempt), 0)::bigint AS fined,
       ARRAY(SELECT json_build_array(p.job_id, p.unit, p.amount)::text FROM (
                 SELECT e.job_id, e.unit, e.amount FROM earnings e
                 WHERE e.operator_id = n.owner_id AND e.state = 'PENDING' AND e.work = 'RENDER'
                   AND NOT EXISTS (SELECT FROM disputes d
                                   WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN')
                 ORDER BY e.earned_at DESC, e.id DESC LIMIT $2) p) AS pending
FROM checks c
JOIN nodes n ON n.id = c.node_id
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
WHERE c.strike AND c.odds < 1 AND c.decided_at > now() - interval '1 day'
  AND NOT EXISTS (SELECT FROM checks w WHERE w.job_id = c.job_id AND w.unit = c.unit AND w.withdrawn)
ORDER BY c.decided_at LIMIT $1;

-- name: stake
-- What the share of unit $2 of job $1 is, at $4 per cent, and what the owner of node $3 has pending: the newest $5
-- shares that nobody disputes; and for how long the oldest delivery has been waiting.
SELECT coalesce((SELECT extract(epoch FROM now() - min(c.opened_at)) FROM checks c WHERE c.state = 'PENDING'), 0)::float8
           AS waited,
       coalesce((SELECT u.price * $4 / 100 FROM units u WHERE u.job_id = $1 AND u.number = $2), 0)::bigint AS share,
       coalesce((SELECT sum(p.amount) FROM (
                     SELECT e.amount FROM earnings e
                     WHERE e.operator_id = (SELECT owner_id FROM nodes WHERE id = $3) AND e.state = 'PENDING'
                       AND NOT EXISTS (SELECT FROM disputes d
                                       WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN')
                     ORDER BY e.earned_at DESC, e.id DESC LIMIT $5) p), 0)::bigint AS pending;

-- name: earnings_ripe
-- Shares whose time has come and which no dispute stops, $1 at most, oldest first.
SELECT e.job_id AS job, e.unit FROM earnings e
WHERE e.state = 'PENDING' AND e.payable_at <= now()
  AND NOT EXISTS (SELECT FROM disputes d
                  WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN')
ORDER BY e.payable_at LIMIT $1;

-- name: earnings_claimable
-- What waits in suspense though its node has an owner now, $1 at most.
SELECT e.job_id AS job, e.unit, n.owner_id AS owner
FROM nodes n
CROSS JOIN LATERAL (SELECT job_id, unit FROM earnings
                    WHERE node_id = n.id AND operator_id IS NULL AND state NOT IN ('REVERSED', 'FORFEITED')
                    LIMIT $1) e
WHERE n.owner_id IS NOT NULL
LIMIT $1;

-- name: earnings_unlooked
-- What nodes that were found out, and other nodes of their owners, have pending of what was settled without being
-- compared with its scene, newest first, $1 at most; and of chunks, of which most was not. What is settled in the
-- same minute may have been decided before.
SELECT e.job_id AS job, e.unit, j.user_id AS "user"
FROM (SELECT n.id AS node_id, max(c.decided_at) AS at
      FROM checks c JOIN nodes m ON m.id = c.node_id
      JOIN nodes n ON n.id = m.id OR n.owner_id = m.owner_id
      WHERE c.strike AND c.decided_at > now() - interval '90 days'
        AND NOT EXISTS (SELECT FROM checks w WHERE w.job_id = c.job_id AND w.unit = c.unit AND w.withdrawn)
      GROUP BY n.id) caught
JOIN earnings e ON e.node_id = caught.node_id AND e.work = 'RENDER' AND e.state = 'PENDING'
               AND e.payable_at > now() AND e.earned_at < caught.at + interval '1 minute'
JOIN units u ON u.job_id = e.job_id AND u.number = e.unit
JOIN checks c ON c.job_id = e.job_id AND c.unit = e.unit AND c.attempt = u.attempt
             AND c.node_id = e.node_id AND c.verdict IN ('sampled-out', 'exact', 'consistent')
JOIN jobs j ON j.id = e.job_id
WHERE (c.verdict = 'sampled-out'
       OR j.job_type = 'render' AND NOT j.params ? '_tiles'
          AND CASE WHEN u.frames IS NOT NULL THEN u.frames !~ '^-?[0-9]+$'
                   WHEN jsonb_typeof(j.params->'frames') = 'array' THEN jsonb_array_length(j.params->'frames') > 1
                   ELSE false END)
  AND NOT EXISTS (SELECT FROM disputes d WHERE d.job_id = e.job_id AND d.unit = e.unit)
ORDER BY e.earned_at DESC, e.id LIMIT $1;
