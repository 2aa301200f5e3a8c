-- The invariants of the books. Each query finds violations of one: a row per violation, at most $1.

-- name: fsck_unhurried
-- Settings for long scans of a large ledger; the gateway's other connections use indexes.
SELECT set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true);

-- name: fsck_i1_transfers
-- Each transfer has two entries: minus its amount on the debit side, its amount on the credit side.
SELECT 'transfer ' || t.id AS subject,
       'an amount of ' || t.amount || ' has the entries '
           || coalesce(string_agg(e.amount || ' on account ' || e.account_id, ', '
                                  ORDER BY e.entry_id), 'none') AS found
FROM transfers t LEFT JOIN entries e ON e.transfer_id = t.id
GROUP BY t.id, t.amount, t.debit, t.credit
HAVING count(e.entry_id) <> 2
    OR count(*) FILTER (WHERE e.account_id = t.debit AND e.amount = -t.amount) <> 1
    OR count(*) FILTER (WHERE e.account_id = t.credit AND e.amount = t.amount) <> 1
ORDER BY t.id LIMIT $1;

-- name: fsck_i1_total
-- The sum of all entries is 0.
SELECT 'all entries' AS subject, 'their sum is ' || sum(amount) AS found
FROM entries HAVING sum(amount) <> 0 LIMIT $1;

-- name: fsck_i2_balances
-- An account's balance is the sum of its entries, and its version their number.
SELECT a.name AS subject,
       'balance ' || a.balance || ' at version ' || a.version || ', but '
           || coalesce(e.entries, 0) || ' entries sum up to ' || coalesce(e.sum, 0) AS found
FROM accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS sum, count(*) AS entries
           FROM entries GROUP BY account_id) e ON e.account_id = a.id
WHERE a.balance <> coalesce(e.sum, 0) OR a.version <> coalesce(e.entries, 0)
ORDER BY a.id LIMIT $1;

-- name: fsck_i2_chain
-- Each entry follows the previous one.
SELECT 'entry ' || entry_id AS subject,
       'version ' || version || ' starts at ' || before || ', the one before ended at '
           || previous || ' with version ' || previous_version AS found
FROM (SELECT entry_id, account_id, version, before,
             coalesce(lag(after) OVER chain, 0) AS previous,
             coalesce(lag(version) OVER chain, 0) AS previous_version
      FROM entries WINDOW chain AS (PARTITION BY account_id ORDER BY version)) e
WHERE before <> previous OR version <> previous_version + 1
ORDER BY entry_id LIMIT $1;

-- name: fsck_i2_held
-- The held amount of an account is the sum of its open holds, and is covered by its balance.
SELECT a.name AS subject,
       'held ' || a.held || ' of ' || a.balance || ', open holds sum up to '
           || coalesce(h.sum, 0) AS found
FROM accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS sum FROM holds WHERE state = 'OPEN'
           GROUP BY account_id) h ON h.account_id = a.id
WHERE a.held <> coalesce(h.sum, 0) OR (NOT a.may_overdraw AND a.balance - a.held < 0)
ORDER BY a.id LIMIT $1;

-- name: fsck_i3_live
-- An open hold has a unit that has not ended.
SELECT 'hold ' || h.reference AS subject,
       CASE WHEN u.job_id IS NULL THEN 'open without a unit of work'
            ELSE 'open, but its unit is ' || u.state END AS found
FROM holds h
LEFT JOIN units u ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE h.state = 'OPEN' AND (u.job_id IS NULL OR u.ended_at IS NOT NULL)
ORDER BY h.reference LIMIT $1;

-- name: fsck_i3_deadline
-- A unit waits for at most seven days, then its hold is released; in a job of several units, as long as nodes get some
-- of them. A unit at a node may wait there for 32 others of six hours each, and take as long itself: nine more days.
-- One day is tolerated. The time is that of the books: while no gateway runs, nothing can be released.
SELECT 'hold ' || h.reference AS subject, 'open since ' || h.created_at AS found
FROM holds h
JOIN units u ON h.reference = 'job:' || u.job_id || ':' || u.number
JOIN jobs j ON j.id = u.job_id
WHERE h.state = 'OPEN'
  AND greatest(h.created_at, CASE WHEN j.units > 1 AND u.state = 'QUEUED' THEN j.dispatched_at
                                   WHEN j.units > 1 THEN u.assigned_at END)
      < greatest((SELECT greatest(max(created_at), max(closed_at)) FROM holds),
                 (SELECT max(created_at) FROM entries))
        - CASE u.state WHEN 'QUEUED' THEN interval '8 days' ELSE interval '17 days' END
ORDER BY h.reference LIMIT $1;

-- name: fsck_i3_units
-- An open unit with a price has a hold of exactly that amount.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' at a price of ' || u.price || ', hold ' || coalesce(h.state || ' of ' || h.amount, 'none')
           AS found
FROM units u
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.ended_at IS NULL AND u.price > 0
  AND (h.state IS DISTINCT FROM 'OPEN' OR h.amount IS DISTINCT FROM u.price)
ORDER BY u.job_id, u.number LIMIT $1;

-- name: fsck_i3_once
-- A settled hold was charged once, with its settled amount; an open or released one was not.
SELECT 'hold ' || h.reference AS subject,
       h.state || ' with ' || h.settled || ', charged ' || count(t.id) || ' times, '
           || coalesce(sum(t.amount), 0) AS found
FROM holds h
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
GROUP BY h.id, h.reference, h.state, h.settled
HAVING coalesce(sum(t.amount), 0) <> h.settled OR count(t.id) > 1
ORDER BY h.reference LIMIT $1;

-- name: fsck_i4_completed
-- A COMPLETED unit with a price was settled exactly once, not above its hold.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       'COMPLETED at a price of ' || u.price || ', hold ' || coalesce(h.state, 'none')
           || ', charged ' || count(t.id) || ' times, ' || coalesce(sum(t.amount), 0) AS found
FROM units u
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
WHERE u.state = 'COMPLETED' AND u.price > 0
GROUP BY u.job_id, u.number, u.price, h.state, h.amount
HAVING h.state IS DISTINCT FROM 'SETTLED' OR count(t.id) <> 1 OR sum(t.amount) > h.amount
ORDER BY u.job_id, u.number LIMIT $1;

-- name: fsck_i4_uncharged
-- A FAILED, CANCELLED or open unit is not charged.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ', but its hold is SETTLED with ' || h.settled AS found
FROM units u JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.state <> 'COMPLETED' AND h.state = 'SETTLED'
ORDER BY u.job_id, u.number LIMIT $1;

-- name: fsck_i4_earnings
-- Only a verified unit pays an operator, at most its charge.
SELECT 'transfer ' || t.id AS subject,
       'earned ' || t.amount || ' for ' || t.reference || ', which is '
           || coalesce(u.state || CASE WHEN u.verified THEN ', verified' ELSE ', not verified' END,
                       'no unit')
           || ' and charged ' || coalesce(h.settled, 0) AS found
FROM transfers t
LEFT JOIN units u ON t.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN holds h ON h.reference = t.reference
WHERE t.kind = 'EARNING'
  AND (u.state IS DISTINCT FROM 'COMPLETED' OR u.verified IS DISTINCT FROM true
       OR t.amount > coalesce(h.settled, 0))
ORDER BY t.id LIMIT $1;

-- name: fsck_i4_verdicts
-- A unit waits for a verdict while its check is pending, and an invalid one is not complete, unless it was refunded; a
-- speculative attempt waits for its own verdict.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' in attempt ' || u.attempt || ', its check ' || coalesce(c.state || coalesce(' ' || c.verdict, ''), 'none')
           AS found
FROM units u
LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.attempt
WHERE (u.state = 'VERIFYING' AND c.state IS DISTINCT FROM 'PENDING')
   OR (u.state = 'COMPLETED' 
       AND (c.state = 'PENDING'
            OR (c.verdict = 'invalid'
                AND NOT EXISTS (SELECT FROM disputes d
                                WHERE d.job_id = u.job_id AND d.unit = u.number AND d.state = 'UPHELD'))))
   OR (u.state IN ('DISPATCHED', 'RUNNING') AND c.state IS NOT NULL)
UNION ALL
SELECT 'unit ' || u.job_id || ':' || u.number,
       'attempt ' || u.copy_attempt || CASE WHEN u.copy_delivered_at IS NULL THEN ' is at work beside it'
           ELSE ' was delivered beside it' END || ', its check ' || coalesce(c.state, 'none')
FROM units u
LEFT JOIN checks c ON c.job_id = u.job_id AND c.unit = u.number AND c.attempt = u.copy_attempt
WHERE u.copy_node_id IS NOT NULL
  AND c.state IS DISTINCT FROM CASE WHEN u.copy_delivered_at IS NOT NULL THEN 'PENDING' END
ORDER BY subject LIMIT $1;

-- name: fsck_i4_receipts
-- A receipt matches its hash, and the entry that pays for it has that hash.
SELECT 'receipt of ' || r.job_id || ':' || r.unit AS subject,
       CASE WHEN r.hash <> sha256(convert_to(r.document, 'UTF8')) THEN 'it has another hash'
            ELSE 'entry ' || coalesce(r.entry_id::text, 'none') || ' pays for another, or none' END AS found
FROM receipts r
LEFT JOIN entries e ON e.entry_id = r.entry_id
WHERE r.hash <> sha256(convert_to(r.document, 'UTF8'))
   OR (r.entry_id IS NOT NULL AND e.receipt IS DISTINCT FROM r.hash)
ORDER BY r.job_id, r.unit LIMIT $1;

-- name: fsck_i4_refunds
-- A charge for work is refunded at most once, and at most in full.
SELECT 'transfer ' || t.id AS subject,
       'gave back ' || t.amount || ' for ' || t.reference || ', charged ' || coalesce(h.settled, 0)
           AS found
FROM transfers t
LEFT JOIN holds h ON h.reference = t.reference
WHERE t.kind = 'REFUND' AND t.reference LIKE 'job:%' AND t.subject = t.credit
  AND t.amount > coalesce(h.settled, 0)
ORDER BY t.id LIMIT $1;

-- name: fsck_i5
-- At most one posting per account, kind and reference; an operator is paid once for a unit.
SELECT kind || ' ' || reference AS subject, count(*) || ' transfers' AS found
FROM transfers
GROUP BY CASE WHEN kind = 'EARNING' THEN 0 ELSE subject END, kind, reference
HAVING count(*) > 1
ORDER BY kind, reference LIMIT $1;

-- name: fsck_i5_tills
-- A reference belongs to an account, not to one of its shards, where it could exist twice. A shard is named after its
-- account.
SELECT 'account ' || t.name AS subject,
       'a till of ' || a.name || CASE WHEN r.subject IS NULL THEN '' ELSE ', with references of its own' END
           AS found
FROM accounts t
JOIN accounts a ON a.id = t.till_of
LEFT JOIN (SELECT DISTINCT subject FROM transfers) r ON r.subject = t.id AND t.id <> a.id
WHERE r.subject IS NOT NULL OR a.till_of IS DISTINCT FROM a.id
   OR split_part(t.name, ':', 1) <> a.name
ORDER BY t.id LIMIT $1;

-- name: fsck_i9_results
-- A result belongs to the unit's attempt: our keys are results/{user}/{job}/{unit}/{attempt}/….
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       'its attempt is ' || u.attempt || ', its result ' || u.result_key AS found
FROM units u
WHERE u.result_key IS NOT NULL
  AND substring(u.result_key FROM 'results/[^/]+/' || u.job_id || '/' || u.number || '/([0-9]{1,9})/')
      <> u.attempt::text
ORDER BY u.job_id, u.number LIMIT $1;

-- name: fsck_i9_units
-- Only an attempt assigned to a node completes a unit, and only a completed unit has a result.
SELECT 'unit ' || job_id || ':' || number AS subject,
       state || ' in attempt ' || attempt || CASE WHEN node_id IS NULL THEN ', without a node' ELSE '' END
           || CASE WHEN result_key IS NULL THEN '' ELSE ', with a result' END AS found
FROM units
WHERE (state = 'COMPLETED' AND (attempt = 0 OR node_id IS NULL))
   OR (state <> 'COMPLETED' AND (result_key IS NOT NULL OR verified))
ORDER BY job_id, number LIMIT $1;

-- name: fsck_i9_parts
-- A unit that is made from others counts those that are not complete as missing.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       'misses ' || u.missing || ' of its parts, ' || p.open || ' are not complete' AS found
FROM units u
CROSS JOIN LATERAL (SELECT count(*) AS open FROM units f
                    WHERE f.job_id = u.job_id AND f.feeds = u.number AND f.state <> 'COMPLETED') p
WHERE (u.missing > 0 OR u.tile IS NULL) AND u.frames IS NOT NULL AND u.missing <> p.open
ORDER BY u.job_id, u.number LIMIT $1;

-- name: fsck_i9_jobs
-- A job's row agrees with its units.
SELECT 'job ' || j.id AS subject,
       j.status || ' after ' || j.retry_count || ' retries, with ' || j.open_units || ' open, '
           || j.failed_units || ' failed and ' || j.cancelled_units || ' cancelled of ' || j.units
           || ' units, ' || j.charged || ' charged of ' || j.committed || '; they are '
           || coalesce(string_agg(u.state, ', ' ORDER BY u.number), 'none') AS found
FROM jobs j LEFT JOIN units u ON u.job_id = j.id
GROUP BY j.id
HAVING j.retry_count <> coalesce(sum(greatest(u.attempt - u.unsent - 1, 0)), 0)
    OR j.open_units <> count(*) FILTER (WHERE u.ended_at IS NULL)
    OR j.failed_units <> count(*) FILTER (WHERE u.state = 'FAILED')
    OR j.cancelled_units <> count(*) FILTER (WHERE u.state = 'CANCELLED')
    OR j.units <> count(u.number)
    OR j.committed <> coalesce(sum(u.price) FILTER (WHERE u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING', 'COMPLETED')), 0)
    OR j.charged <> coalesce(sum(u.price) FILTER (WHERE u.state = 'COMPLETED'), 0)
    OR j.status <> CASE
           WHEN bool_and(u.ended_at IS NOT NULL) THEN
               CASE WHEN bool_or(u.state = 'CANCELLED') THEN 'CANCELLED'
                    WHEN bool_or(u.state = 'FAILED') THEN 'FAILED' ELSE 'COMPLETED' END
           WHEN j.paused IS NOT NULL THEN 'PAUSED'
           WHEN bool_or(u.started_at IS NOT NULL OR u.state IN ('RUNNING', 'VERIFYING', 'COMPLETED')) THEN 'RUNNING'
           WHEN bool_or(u.attempt > 0) THEN 'DISPATCHED'
           ELSE 'QUEUED' END
    OR count(u.number) = 0
ORDER BY j.id LIMIT $1;

-- name: fsck_i7_missing
-- Every entry that the log covers has a leaf.
SELECT 'entry ' || e.entry_id AS subject, 'no leaf, though the log covers entries to ' || h.covered AS found
FROM log_head h JOIN entries e ON e.entry_id <= h.covered
LEFT JOIN leaves l ON l.entry_id = e.entry_id
WHERE l.entry_id IS NULL
ORDER BY e.entry_id LIMIT $1;

-- name: fsck_i7_late
-- Once the log has begun, no entry lacks a leaf while others are a minute younger.
SELECT 'entry ' || e.entry_id AS subject, 'no leaf since ' || e.created_at AS found
FROM entries e
LEFT JOIN leaves l ON l.entry_id = e.entry_id
WHERE l.entry_id IS NULL AND e.entry_id > (SELECT covered FROM log_head)
  AND e.created_at < (SELECT max(created_at) FROM entries
                      WHERE entry_id > (SELECT covered FROM log_head)) - interval '60 s'
ORDER BY e.entry_id LIMIT $1;

-- name: fsck_i7_indices
-- Leaves are numbered from 0 without gaps, as many as the head says.
SELECT 'the log' AS subject,
       l.count || ' leaves from ' || coalesce(l.first, 0) || ' to ' || coalesce(l.last, 0) || ', its head says '
           || coalesce(h.size, 0) AS found
FROM (SELECT count(*) AS count, min(leaf_index) AS first, max(leaf_index) AS last FROM leaves) l
LEFT JOIN log_head h ON true
WHERE l.count <> coalesce(h.size, 0) OR (l.count > 0 AND (l.first <> 0 OR l.last <> l.count - 1))
LIMIT $1;

-- name: fsck_i7_beyond
-- No checkpoint has more leaves than there are, and none exists without a valid key.
SELECT 'checkpoint ' || c.size AS subject,
       'of ' || coalesce(h.size, 0) || ' leaves, with ' || (SELECT count(*) FROM log_keys) || ' keys' AS found
FROM checkpoints c LEFT JOIN log_head h ON true
WHERE c.size > coalesce(h.size, 0) OR NOT EXISTS (SELECT FROM log_keys)
ORDER BY c.size LIMIT $1;

-- name: fsck_i8_numbers
-- Checkpoints are numbered without gaps, as many as the log's head has counted.
SELECT 'checkpoint number ' || n.number AS subject,
       'is missing: of ' || h.checkpoints || ' that were signed, after that of '
           || coalesce((SELECT max(c.size) FROM checkpoints c WHERE c.number < n.number), 0) || ' leaves' AS found
FROM log_head h, LATERAL generate_series(1, h.checkpoints) AS n (number)
WHERE NOT EXISTS (SELECT FROM checkpoints c WHERE c.number = n.number)
ORDER BY n.number LIMIT $1;

-- name: fsck_i11_purchases
-- A paid purchase was credited once, to its buyer; nothing else was credited for a session.
SELECT 'session ' || coalesce(p.session, t.reference) AS subject,
       coalesce('purchase ' || p.id || ' of ' || p.units, 'no paid purchase') || ', credited '
           || coalesce(t.amount || ' to ' || t.account, 'nothing') AS found
FROM (SELECT id, user_id, session, units FROM purchases WHERE state = 'PAID') p
FULL JOIN (SELECT t.reference, t.amount, c.name AS account
           FROM transfers t JOIN accounts c ON c.id = t.credit
           WHERE t.kind = 'STRIPE'
             AND t.subject = (SELECT id FROM accounts WHERE name = 'purchases')) t
       ON t.reference = p.session
WHERE p.id IS NULL OR t.amount IS DISTINCT FROM p.units
   OR t.account IS DISTINCT FROM 'user:' || p.user_id
ORDER BY 1 LIMIT $1;

-- name: fsck_i11_reversals
-- A purchase was reversed by what its refunds and disputes say, each once.
WITH told AS (
    SELECT p.id, p.units::numeric AS units, p.amount, p.refunded, p.disputed,
           greatest(coalesce(max(r.amount) FILTER (WHERE r.kind = 'CHARGE'), 0),
                    coalesce(sum(r.amount) FILTER (WHERE r.kind = 'REFUND'
                                                     AND r.state <> 'PENDING'), 0))
               - coalesce(sum(r.amount) FILTER (WHERE r.kind = 'REFUND'
                                                  AND r.state = 'VOID'), 0) AS refunds,
           coalesce(sum(CASE WHEN r.currency = p.currency THEN r.amount ELSE p.amount END)
                    FILTER (WHERE r.kind = 'DISPUTE' AND r.state = 'COUNTS'), 0) AS disputes
    FROM purchases p LEFT JOIN reversals r ON r.payment_intent = p.payment_intent
    WHERE p.state = 'PAID' GROUP BY p.id
), bounded AS (
    SELECT id, units, amount, refunded, disputed,
           least(greatest(refunds, 0), amount) AS refunds,
           least(least(greatest(refunds, 0), amount) + disputes, amount) AS everything
    FROM told
)
SELECT 'purchase ' || id AS subject,
       'refunded ' || refunded || ', disputed ' || disputed || ', but Stripe says '
           || div(units * refunds, amount) || ' and '
           || div(units * everything, amount) - div(units * refunds, amount) AS found
FROM bounded
WHERE refunded <> div(units * refunds, amount)
   OR refunded + disputed <> div(units * everything, amount)
ORDER BY id LIMIT $1;

-- name: fsck_i11_taken
-- Refunds and disputes took from a user, and from their debt account, what their purchases say.
WITH taken AS (
    SELECT s.name AS platform, substr(o.name, strpos(o.name, ':') + 1) AS owner,
           sum(CASE WHEN t.credit = t.subject THEN t.amount ELSE -t.amount END) AS units
    FROM transfers t
    JOIN accounts s ON s.id = t.subject AND s.name IN ('purchases', 'disputes')
    JOIN accounts o ON o.id = CASE WHEN t.credit = t.subject THEN t.debit ELSE t.credit END
    WHERE t.kind = 'REFUND' GROUP BY 1, 2
), told AS (
    SELECT e.platform, p.user_id::text AS owner, sum(e.units) AS units
    FROM purchases p, LATERAL (VALUES ('purchases', p.refunded), ('disputes', p.disputed))
                              AS e (platform, units)
    GROUP BY 1, 2
)
SELECT 'user ' || coalesce(taken.owner, told.owner) AS subject,
       coalesce(taken.units, 0) || ' on account of ' || coalesce(taken.platform, told.platform)
           || ', but purchases say ' || coalesce(told.units, 0) AS found
FROM taken FULL JOIN told ON (told.platform, told.owner) = (taken.platform, taken.owner)
WHERE coalesce(taken.units, 0) <> coalesce(told.units, 0)
ORDER BY 1 LIMIT $1;

-- name: fsck_i11_debts
-- A user with debts has nothing available.
SELECT d.name AS subject, 'owes ' || -d.balance || ' and has ' || u.balance - u.held AS found
FROM accounts d JOIN accounts u ON u.debt = d.id
WHERE d.balance < 0 AND u.balance - u.held > 0
ORDER BY d.id LIMIT $1;
