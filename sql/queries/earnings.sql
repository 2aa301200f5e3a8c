-- The Ledger's reads and writes of operators' earnings, in the same transactions as books.sql. An earning is read and
-- written only under the lock on its account.

-- name: books_earners
-- The accounts of earnings by unit ($1, $2), of payouts by id ($3), and of shares forfeited for results of the units
-- $4, $5.
SELECT DISTINCT coalesce('operator:' || operator_id, 'suspense') AS name
FROM earnings
WHERE (job_id, unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
UNION SELECT 'operator:' || operator_id FROM payouts WHERE id = ANY($3::uuid[])
UNION SELECT 'operator:' || e.operator_id FROM fines f JOIN earnings e ON e.id = f.share_id
WHERE (f.job_id, f.unit) IN (SELECT * FROM unnest($4::uuid[], $5::integer[])) AND f.returned_at IS NULL;

-- name: books_earnings_lock
-- Read what the account locks protect, in one row: earnings and disputes of units, payouts by id.
SELECT ARRAY(SELECT e FROM earnings e
             WHERE (e.job_id, e.unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
             ORDER BY e.job_id, e.unit FOR UPDATE OF e) AS earnings,
       ARRAY(SELECT d FROM disputes d
             WHERE (d.job_id, d.unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[]))
             ORDER BY d.job_id, d.unit FOR UPDATE OF d) AS disputes,
       ARRAY(SELECT p FROM payouts p WHERE p.id = ANY($3::uuid[])
             ORDER BY p.id FOR UPDATE) AS payouts;

-- name: books_payable
-- For each of these operators, the sum that a payout would pay now: their oldest $2 shares, as in
-- books_earnings_take.
SELECT o.id AS operator_id, count(*)::integer AS units, sum(e.amount)::bigint AS amount
FROM unnest($1::uuid[]) AS o (id)
CROSS JOIN LATERAL (SELECT amount FROM earnings
                    WHERE operator_id = o.id AND state = 'PAYABLE' AND payout_id IS NULL
                    ORDER BY payable_at, id LIMIT $2) e
GROUP BY o.id;

-- name: books_earnings_insert
-- Insert shares.
INSERT INTO earnings (id, job_id, unit, node_id, operator_id, amount, state, earned_at, payable_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::bigint[],
                     $7::text[], $8::timestamptz[], $9::timestamptz[]);

-- name: books_earnings_update
-- Update shares, except for their payout.
UPDATE earnings e SET state = n.state, operator_id = n.operator_id
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::uuid[]) AS n (job_id, unit, state, operator_id)
WHERE e.job_id = n.job_id AND e.unit = n.unit;

-- name: books_earnings_take
-- Assign to each new payout ($1, of operator $2) the shares that it pays; $3: their new state.
UPDATE earnings e SET payout_id = n.payout, state = n.state
FROM (SELECT p.id AS payout, p.state, x.id
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[]) AS p (id, operator, state, most)
      CROSS JOIN LATERAL (SELECT id FROM earnings
                          WHERE operator_id = p.operator AND state = 'PAYABLE' AND payout_id IS NULL
                          ORDER BY payable_at, id LIMIT p.most) x) n
WHERE e.id = n.id;

-- name: books_earnings_close
-- Close the shares of a payout that was paid ($2); those of a rejected one are payable again.
UPDATE earnings e SET state = CASE WHEN n.paid THEN 'PAID' ELSE 'PAYABLE' END,
                      payout_id = CASE WHEN n.paid THEN e.payout_id END
FROM unnest($1::uuid[], $2::boolean[]) AS n (payout, paid)
WHERE e.payout_id = n.payout AND e.state = 'PAYABLE';

-- name: books_payouts_insert
-- Insert payouts.
INSERT INTO payouts (id, operator_id, kind, amount, units, state, batch_id, reference, requested_at,
                     closed_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::integer[], $6::text[],
                     $7::uuid[], $8::text[], $9::timestamptz[], $10::timestamptz[]);

-- name: books_payouts_update
-- Update payouts.
UPDATE payouts p SET state = n.state, batch_id = n.batch_id, reference = n.reference,
                     closed_at = n.closed_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[])
     AS n (id, state, batch_id, reference, closed_at)
WHERE p.id = n.id;

-- name: books_disputes_insert
-- Insert disputes.
INSERT INTO disputes (id, job_id, unit, user_id, reason, charge, state, decision, opened_at,
                      decided_at, by_gateway)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::bigint[],
                     $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::boolean[]);

-- name: books_disputes_update
-- Decide disputes; or replace a rejected dispute of the gateway by one of the creator, or the reverse.
UPDATE disputes d SET state = n.state, decision = n.decision, decided_at = n.decided_at, id = n.id, reason = n.reason,
                      opened_at = n.opened_at, by_gateway = n.by_gateway,
                      finding = CASE WHEN d.id = n.id THEN d.finding END
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::text[],
            $8::timestamptz[], $9::boolean[])
     AS n (job_id, unit, state, decision, decided_at, id, reason, opened_at, by_gateway)
WHERE d.job_id = n.job_id AND d.unit = n.unit;

-- name: books_comparisons_insert
-- Insert the comparisons that new disputes carry.
INSERT INTO comparisons (dispute_id, verdict, said, places, picture)
SELECT n.dispute_id, n.verdict, n.said, n.places::double precision[], n.picture
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
     AS n (dispute_id, verdict, said, places, picture);

-- name: books_fines_insert
-- Insert fines.
INSERT INTO fines (share_id, job_id, unit, attempt, at, returned_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::timestamptz[], $6::timestamptz[]);

-- name: books_fines_return
-- Return fines.
UPDATE fines f SET returned_at = n.returned_at
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::timestamptz[])
     AS n (share_id, job_id, unit, attempt, returned_at)
WHERE f.share_id = n.share_id AND f.job_id = n.job_id AND f.unit = n.unit AND f.attempt = n.attempt
  AND f.returned_at IS NULL;

-- name: books_stakes
-- The stakes of operators $1 at $2: the sums of their newest $3 pending shares whose dispute window is open and that
-- nobody disputes.
SELECT o.id AS operator_id, sum(p.amount)::bigint AS pending
FROM unnest($1::uuid[]) AS o (id)
CROSS JOIN LATERAL (SELECT e.amount FROM earnings e
                    WHERE e.operator_id = o.id AND e.state = 'PENDING' AND e.payable_at > $2
                      AND NOT EXISTS (SELECT FROM disputes d
                                      WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN')
                    ORDER BY e.earned_at DESC, e.id DESC LIMIT $3) p
GROUP BY o.id;

-- name: books_fines_shares
-- The newest pending shares of operators $1 that together cover the amounts $2, except those for the units $3, $4; in
-- one row.
SELECT ARRAY(SELECT e FROM unnest($1::uuid[], $2::bigint[]) AS o (id, due)
             CROSS JOIN LATERAL (
                 SELECT id, sum(amount) OVER (ORDER BY earned_at DESC, id DESC) - amount AS newer FROM earnings
                 WHERE operator_id = o.id AND state = 'PENDING'
                   AND (job_id, unit) NOT IN (SELECT * FROM unnest($3::uuid[], $4::integer[]))) p
             JOIN earnings e ON e.id = p.id
             WHERE p.newer < o.due
             FOR UPDATE OF e) AS earnings,
       ARRAY(SELECT d FROM disputes d WHERE false) AS disputes;

-- name: books_fines_lock
-- Fines for results of the units $1, $2 that were not returned yet, with the shares and their disputes, in one row.
WITH taken AS (
    SELECT f.* FROM fines f
    WHERE (f.job_id, f.unit) IN (SELECT * FROM unnest($1::uuid[], $2::integer[])) AND f.returned_at IS NULL
)
SELECT ARRAY(SELECT f FROM fines f JOIN taken t ON t.share_id = f.share_id AND f.job_id = t.job_id
                 AND f.unit = t.unit AND f.attempt = t.attempt) AS fines,
       ARRAY(SELECT e FROM earnings e WHERE e.id IN (SELECT share_id FROM taken)) AS earnings,
       ARRAY(SELECT d FROM disputes d JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
             WHERE e.id IN (SELECT share_id FROM taken)) AS disputes;

-- name: books_waiting
-- For each account in $1, since when its oldest delivery waits for a verdict; only deliveries since $2.
SELECT operator, min(opened_at) AS since FROM checks
WHERE state = 'PENDING' AND operator = ANY($1::text[]) AND opened_at > $2
GROUP BY operator;

-- name: longest_wait
-- The seconds for which the oldest delivery has waited for its check.
SELECT coalesce(extract(epoch FROM now() - min(opened_at)), 0)::float8 AS seconds FROM checks WHERE state = 'PENDING';

-- name: earnings_ripe
-- At most $1 mature shares, oldest first: without an open dispute, and unless a delivery of the same operator from
-- before the end of the dispute window still waits for its verdict, which holds shares back for at most $2.
SELECT e.job_id AS job, e.unit FROM earnings e
LEFT JOIN (SELECT operator, min(opened_at) AS since FROM checks
           WHERE state = 'PENDING' AND operator IS NOT NULL AND opened_at > now() - $2::interval
           GROUP BY operator) w ON w.operator = 'operator:' || e.operator_id
WHERE e.state = 'PENDING' AND e.payable_at <= now() AND (w.since IS NULL OR w.since >= e.payable_at)
  AND NOT EXISTS (SELECT FROM disputes d
                  WHERE d.job_id = e.job_id AND d.unit = e.unit AND d.state = 'OPEN')
ORDER BY e.payable_at LIMIT $1;

-- name: earnings_claimable
-- At most $1 shares in suspense whose node has an owner now.
SELECT e.job_id AS job, e.unit, n.owner_id AS owner
FROM nodes n
CROSS JOIN LATERAL (SELECT job_id, unit FROM earnings
                    WHERE node_id = n.id AND operator_id IS NULL AND state NOT IN ('REVERSED', 'FORFEITED')
                    LIMIT $1) e
WHERE n.owner_id IS NOT NULL
LIMIT $1;

-- name: earnings_unlooked
-- At most $1 pending shares, newest first, of nodes with an invalid result and of other nodes of the same owners, for
-- units that were settled without a full comparison, and delivered before the invalid result's verdict or up to a minute
-- later, until all gateways know of it. Units that a check compared for a dispute are left out. Invalid results whose
-- scene turned out to be at fault do not count, nor those without a strike that no verifier found, as the object was lost
-- or unreadable. Creators can cause invalid results without a strike; for these, shares are returned only while fewer
-- than $1 shares are withheld and wait for a check.
SELECT e.job_id AS job, e.unit, j.user_id AS "user"
FROM (SELECT n.id AS node_id, max(c.decided_at) AS at, max(c.decided_at) FILTER (WHERE c.strike) AS struck_at
      FROM checks c JOIN nodes m ON m.id = c.node_id
      JOIN nodes n ON n.id = m.id OR n.owner_id = m.owner_id
      WHERE c.verdict = 'invalid' AND (c.strike OR c.verifier_id IS NOT NULL) AND c.decided_at > now() - interval '90 days'
        AND NOT EXISTS (SELECT FROM checks w WHERE w.job_id = c.job_id AND w.unit = c.unit AND w.withdrawn)
      GROUP BY n.id) caught
JOIN earnings e ON e.node_id = caught.node_id AND e.state = 'PENDING'
JOIN units u ON u.job_id = e.job_id AND u.number = e.unit
JOIN checks c ON c.job_id = e.job_id AND c.unit = e.unit AND c.attempt = u.attempt
             AND c.node_id = e.node_id AND c.verdict IN ('sampled-out', 'exact', 'consistent')
             AND (c.opened_at < caught.struck_at + interval '1 minute'
                  OR c.opened_at < caught.at + interval '1 minute'
                     AND (SELECT count(*) FROM (SELECT FROM disputes
                                                WHERE state = 'OPEN' AND by_gateway AND finding IS NULL
                                                LIMIT $1) waiting) < $1)
JOIN jobs j ON j.id = e.job_id
WHERE (c.verdict = 'sampled-out'
       OR j.job_type = 'render' AND j.plan -> 'spec' -> 'tiles' IS NULL
          AND CASE WHEN u.frames IS NOT NULL THEN u.frames !~ '^-?[0-9]+$'
                   WHEN jsonb_typeof(j.plan #> '{spec,params,frames}') = 'array'
                       THEN jsonb_array_length(j.plan #> '{spec,params,frames}') > 1
                   ELSE false END)
  AND NOT EXISTS (SELECT FROM disputes d
                  WHERE d.job_id = e.job_id AND d.unit = e.unit
                    AND (d.state = 'OPEN' OR d.by_gateway
                         OR EXISTS (SELECT FROM comparisons k WHERE k.dispute_id = d.id)))
ORDER BY e.earned_at DESC, e.id LIMIT $1;
