-- The invariants of fsck.sql over rows written since a mark: see sql/fsck_since.py. $2 names the rows to check; a check
-- finds a row per violation, at most $1.

-- name: since_snapshot
-- Transactions below the first id have ended and are visible; none from the second on are. And the position of the log.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
       coalesce((SELECT size FROM log_head), 0) AS size,
       coalesce((SELECT covered FROM log_head), 0) AS covered;

-- name: since_by_index
-- Make all checks go from the named rows by index, even if a plan was cached while tables were small.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true);

-- name: since_transfers
-- Transfers written by transactions from $1 on and below $2, whatever their numbers.
SELECT id FROM transfers WHERE written >= $1 AND written < $2;

-- name: since_entries
-- The same for entries.
SELECT entry_id FROM entries WHERE written >= $1 AND written < $2;

-- name: since_accounts
-- Accounts changed by transaction $3 or later (there are as many as users), and those of the new entries, which must
-- have changed.
SELECT id FROM accounts WHERE age(xmin) <= age($3::xid)
UNION
SELECT account_id FROM entries WHERE written >= $1 AND written < $2;

-- name: since_jobs
-- Jobs changed by transactions from $1 on and below $2.
SELECT id FROM jobs WHERE touched >= $1 AND touched < $2;

-- name: since_transfers_i1
-- A transfer has two entries.
SELECT 'transfer ' || t.id AS subject,
       'an amount of ' || t.amount || ' has ' || e.count || ' entries' AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
CROSS JOIN LATERAL (SELECT count(*) AS count FROM entries e WHERE e.transfer_id = t.id) e
WHERE e.count <> 2
ORDER BY t.id LIMIT $1;

-- name: since_entries_i1
-- An entry is one of two: minus its transfer's amount on the debit side, the amount on the credit side.
SELECT 'transfer ' || t.id AS subject,
       'an amount of ' || t.amount || ' has the entry ' || e.amount || ' on account ' || e.account_id
           || ', and ' || both_.count || ' entries with a sum of ' || both_.sum AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN entries e ON e.entry_id = n.id
JOIN transfers t ON t.id = e.transfer_id
CROSS JOIN LATERAL (SELECT count(*) AS count, sum(x.amount) AS sum FROM entries x
                    WHERE x.transfer_id = t.id) both_
WHERE (e.account_id, e.amount) NOT IN ((t.debit, -t.amount), (t.credit, t.amount))
   OR both_.count <> 2 OR both_.sum <> 0
ORDER BY e.entry_id LIMIT $1;

-- name: since_entries_i2
-- An entry follows the previous one, which was found correct: so the newest has the sum of all.
SELECT 'entry ' || e.entry_id AS subject,
       'version ' || e.version || ' starts at ' || e.before || ', the one before ended at '
           || coalesce(p.after, 0) || coalesce(' with version ' || p.version, ', and is missing')
           AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN entries e ON e.entry_id = n.id
LEFT JOIN entries p ON p.account_id = e.account_id AND p.version = e.version - 1
WHERE e.before <> coalesce(p.after, 0) OR (p.version IS NULL AND e.version <> 1)
ORDER BY e.entry_id LIMIT $1;

-- name: since_accounts_i2_balances
-- An account's balance and version are those of its newest entry.
SELECT a.name AS subject,
       'balance ' || a.balance || ' at version ' || a.version || ', but its newest entry ends at '
           || coalesce(e.after, 0) || ' with version ' || coalesce(e.version, 0) AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN accounts a ON a.id = n.id
LEFT JOIN LATERAL (SELECT version, after FROM entries WHERE account_id = a.id
                   ORDER BY version DESC LIMIT 1) e ON true
WHERE a.balance <> coalesce(e.after, 0) OR a.version <> coalesce(e.version, 0)
ORDER BY a.id LIMIT $1;

-- name: since_accounts_i2_available
-- The held amount of an account is covered by its balance.
SELECT a.name AS subject, 'held ' || a.held || ' of ' || a.balance AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN accounts a ON a.id = n.id
WHERE NOT a.may_overdraw AND a.balance - a.held < 0
ORDER BY a.id LIMIT $1;

-- name: since_accounts_i11
-- A user with debts has nothing available.
SELECT d.name AS subject, 'owes ' || -d.balance || ' and has ' || u.balance - u.held AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN accounts a ON a.id = n.id
JOIN accounts u ON u.name = CASE WHEN a.name LIKE 'debt:%' THEN 'user:' || substr(a.name, 6)
                                 ELSE a.name END
JOIN accounts d ON d.id = u.debt
WHERE d.balance < 0 AND u.balance - u.held > 0
ORDER BY d.id LIMIT $1;

-- name: since_jobs_i3
-- A settled hold was charged once, with its settled amount; an open or released one was not.
SELECT 'hold ' || h.reference AS subject,
       h.state || ' with ' || h.settled || ', charged ' || coalesce(t.amount, 0) AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN units u ON u.job_id = n.id
JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
WHERE coalesce(t.amount, 0) <> h.settled
ORDER BY h.reference LIMIT $1;

-- name: since_jobs_i3_units
-- An open unit with a price has a hold of exactly that amount.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' at a price of ' || u.price || ', hold ' || coalesce(h.state || ' of ' || h.amount, 'none')
           AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN units u ON u.job_id = n.id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.ended_at IS NULL AND u.price > 0
  AND (h.state IS DISTINCT FROM 'OPEN' OR h.amount IS DISTINCT FROM u.price)
ORDER BY u.job_id, u.number LIMIT $1;

-- name: since_jobs_i4
-- A COMPLETED unit with a price was settled exactly once, not above its hold; no other was.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' at a price of ' || u.price || ', hold ' || coalesce(h.state, 'none')
           || ', charged ' || coalesce(t.amount, 0) AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN units u ON u.job_id = n.id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
WHERE CASE WHEN u.state <> 'COMPLETED' THEN h.state = 'SETTLED' OR t.id IS NOT NULL
           WHEN u.price > 0 THEN h.state IS DISTINCT FROM 'SETTLED' OR t.id IS NULL
                                 OR t.amount > h.amount END
ORDER BY u.job_id, u.number LIMIT $1;

-- name: since_jobs_i9_units
-- A result belongs to the unit's attempt, which was assigned to a node; only a completed unit has one.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' in attempt ' || u.attempt || ', its result ' || coalesce(u.result_key, 'none')
           AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN units u ON u.job_id = n.id
WHERE (u.state = 'COMPLETED' AND (u.attempt = 0 OR u.node_id IS NULL))
   OR (u.state <> 'COMPLETED' AND (u.result_key IS NOT NULL OR u.verified))
   OR substring(u.result_key
                FROM 'results/[^/]+/' || u.job_id || '/' || u.number || '/([0-9]{1,9})/')
      <> u.attempt::text
ORDER BY u.job_id, u.number LIMIT $1;

-- name: since_jobs_i9_parts
-- A unit that is made from others counts those that are not complete as missing.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       'misses ' || u.missing || ' of its parts, ' || p.open || ' are not complete' AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN units u ON u.job_id = n.id
CROSS JOIN LATERAL (SELECT count(*) AS open FROM units f
                    WHERE f.job_id = u.job_id AND f.feeds = u.number AND f.state <> 'COMPLETED') p
WHERE (u.missing > 0 OR u.tile IS NULL) AND u.frames IS NOT NULL AND u.missing <> p.open
ORDER BY u.job_id, u.number LIMIT $1;

-- name: since_jobs_i9_jobs
-- A job's row agrees with its units.
SELECT 'job ' || j.id AS subject,
       j.status || ' after ' || j.retry_count || ' retries, with ' || j.open_units || ' open, '
           || j.failed_units || ' failed and ' || j.cancelled_units || ' cancelled of ' || j.units
           || ' units, ' || j.charged || ' charged of ' || j.committed || '; they are '
           || coalesce(u.states, 'none') AS found
FROM unnest($2::uuid[]) AS n (id)
JOIN jobs j ON j.id = n.id
CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(greatest(attempt - unsent - 1, 0)), 0) AS retries,
           count(*) FILTER (WHERE ended_at IS NULL) AS open,
           count(*) FILTER (WHERE state = 'FAILED') AS failed,
           count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
           coalesce(sum(price) FILTER (WHERE state IN ('DISPATCHED', 'RUNNING', 'VERIFYING', 'COMPLETED')), 0) AS committed,
           coalesce(sum(price) FILTER (WHERE state = 'COMPLETED'), 0) AS charged,
           bool_or(started_at IS NOT NULL OR state IN ('RUNNING', 'VERIFYING', 'COMPLETED')) AS ran,
           bool_or(attempt > 0) AS assigned,
           string_agg(state, ', ' ORDER BY number) AS states
    FROM units WHERE job_id = j.id) u
WHERE (j.retry_count, j.open_units, j.failed_units, j.cancelled_units, j.units, j.committed, j.charged)
      <> (u.retries, u.open, u.failed, u.cancelled, u.count, u.committed, u.charged)
   OR u.count = 0
   OR j.status <> CASE WHEN u.open = 0 AND u.cancelled > 0 THEN 'CANCELLED'
                       WHEN u.open = 0 AND u.failed > 0 THEN 'FAILED'
                       WHEN u.open = 0 THEN 'COMPLETED'
                       WHEN j.paused IS NOT NULL THEN 'PAUSED'
                       WHEN u.ran THEN 'RUNNING'
                       WHEN u.assigned THEN 'DISPATCHED'
                       ELSE 'QUEUED' END
ORDER BY j.id LIMIT $1;

-- name: since_transfers_i3
-- The charge for a unit is the settled amount of its hold.
SELECT 'hold ' || t.reference AS subject,
       coalesce(h.state || ' with ' || h.settled, 'not there') || ', charged ' || t.amount AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
LEFT JOIN holds h ON h.reference = t.reference
WHERE t.kind = 'USAGE' AND t.reference LIKE 'job:%' AND h.settled IS DISTINCT FROM t.amount
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i4_earnings
-- Only a verified unit pays an operator, at most its charge, and its share agrees.
SELECT 'transfer ' || t.id AS subject,
       'earned ' || t.amount || ' for ' || t.reference || ', which is '
           || coalesce(u.state || CASE WHEN u.verified THEN ', verified' ELSE ', not verified' END,
                       'no unit')
           || ', charged ' || coalesce(h.settled, 0) || ', with a share of '
           || coalesce(e.amount, 0) AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
CROSS JOIN LATERAL regexp_match(
    t.reference, '^job:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})$') AS m
LEFT JOIN units u ON u.job_id = m[1]::uuid AND u.number = m[2]::integer
LEFT JOIN holds h ON h.reference = t.reference
LEFT JOIN earnings e ON e.job_id = u.job_id AND e.unit = u.number
WHERE t.kind = 'EARNING'
  AND (u.state IS DISTINCT FROM 'COMPLETED' OR u.verified IS DISTINCT FROM true
       OR t.amount > coalesce(h.settled, 0) OR e.amount IS DISTINCT FROM t.amount)
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i4_refunds
-- A refund of a charge for work does not exceed the charge.
SELECT 'transfer ' || t.id AS subject,
       'gave back ' || t.amount || ' for ' || t.reference || ', charged ' || coalesce(h.settled, 0)
           AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
LEFT JOIN holds h ON h.reference = t.reference
WHERE t.kind = 'REFUND' AND t.reference LIKE 'job:%' AND t.subject = t.credit
  AND t.amount > coalesce(h.settled, 0)
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i4_reversed
-- Only an upheld dispute reverses a share and refunds the rest of a charge.
SELECT 'transfer ' || t.id AS subject, t.kind || ' ' || t.amount || ' without a dispute that was upheld'
           AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
CROSS JOIN LATERAL regexp_match(
    t.reference, '^(?:job|dispute):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})$') AS m
LEFT JOIN disputes d ON d.state = 'UPHELD' AND d.job_id = m[1]::uuid AND d.unit = m[2]::integer
WHERE (t.kind = 'REVERSAL' OR (t.kind = 'REFUND' AND t.reference LIKE 'dispute:%')) AND d.id IS NULL
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i4_fines
-- Fines that were taken and not returned are shares forfeited for an invalid result that was a strike.
SELECT 'transfer ' || t.id AS subject,
       'fined ' || w.amount || ' for ' || t.reference || ', ' || coalesce(f.amount, 0) || ' is forfeited; its reason is '
           || coalesce(c.verdict, 'none') AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
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
WHERE t.kind = 'FINE' AND (coalesce(f.amount, 0) <> w.amount OR c.strike IS NOT TRUE)
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i5_paid
-- Nothing is paid out except by a paid payout, with its amount.
SELECT 'transfer ' || t.id AS subject,
       t.reference || ' paid ' || t.amount || ', a payout of ' || coalesce(p.amount, 0) || ' that is '
           || coalesce(p.state, 'not there') AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
CROSS JOIN LATERAL regexp_match(
    t.reference, '^payout:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$') AS m
LEFT JOIN payouts p ON p.id = m[1]::uuid
WHERE t.kind = 'PAYOUT' AND (p.state IS DISTINCT FROM 'PAID' OR p.amount IS DISTINCT FROM t.amount)
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i5_claims
-- A share left suspense for its operator.
SELECT 'transfer ' || t.id AS subject,
       'claimed ' || t.amount || ' for ' || t.reference || ', a share of '
           || coalesce(e.amount::text, 'nothing') || ' of '
           || coalesce(e.operator_id::text, 'nobody') AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
JOIN accounts a ON a.id = t.credit
CROSS JOIN LATERAL regexp_match(
    t.reference, '^job:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})$') AS m
LEFT JOIN earnings e ON e.job_id = m[1]::uuid AND e.unit = m[2]::integer
WHERE t.kind = 'CLAIM'
  AND (e.amount IS DISTINCT FROM t.amount OR a.name IS DISTINCT FROM 'operator:' || e.operator_id)
ORDER BY t.id LIMIT $1;

-- name: since_transfers_i11
-- A credit for a session is a paid purchase of its buyer.
SELECT 'session ' || t.reference AS subject,
       coalesce('purchase ' || p.id || ' of ' || p.units || ', ' || p.state, 'no purchase')
           || ', credited ' || t.amount || ' to ' || a.name AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN transfers t ON t.id = n.id
JOIN accounts a ON a.id = t.credit
LEFT JOIN purchases p ON p.session = t.reference
WHERE t.kind = 'STRIPE' AND t.subject = t.debit
  AND (p.state IS DISTINCT FROM 'PAID' OR p.units <> t.amount OR a.name <> 'user:' || p.user_id)
ORDER BY t.id LIMIT $1;

-- name: since_held_i2
-- The held amount of an account is the sum of its open holds: for every account, as new rows do not lead from a hold to
-- its account.
SELECT a.name AS subject,
       'held ' || a.held || ', open holds sum up to ' || coalesce(h.sum, 0) AS found
FROM accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS sum FROM holds WHERE state = 'OPEN'
           GROUP BY account_id) h ON h.account_id = a.id
WHERE a.held <> coalesce(h.sum, 0)
ORDER BY a.id LIMIT $1;

-- name: since_open_i3_live
-- An open hold has a unit that has not ended.
SELECT 'hold ' || h.reference AS subject,
       CASE WHEN u.job_id IS NULL THEN 'open without a unit of work'
            ELSE 'open, but its unit is ' || u.state END AS found
FROM holds h
CROSS JOIN LATERAL regexp_match(
    h.reference, '^job:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})$') AS m
LEFT JOIN units u ON u.job_id = m[1]::uuid AND u.number = m[2]::integer
WHERE h.state = 'OPEN' AND (u.job_id IS NULL OR u.ended_at IS NOT NULL)
ORDER BY h.reference LIMIT $1;

-- name: since_open_i3_deadline
-- A unit waits for at most seven days, and at a node for nine more including its own work; one day is tolerated. The
-- time is that of the books: the newest entry's or the newest hold's.
SELECT 'hold ' || h.reference AS subject, 'open since ' || h.created_at AS found
FROM holds h
CROSS JOIN LATERAL regexp_match(
    h.reference, '^job:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})$') AS m
JOIN units u ON u.job_id = m[1]::uuid AND u.number = m[2]::integer
JOIN jobs j ON j.id = u.job_id
WHERE h.state = 'OPEN'
  AND greatest(h.created_at, CASE WHEN j.units > 1 AND u.state = 'QUEUED' THEN j.dispatched_at
                                   WHEN j.units > 1 THEN u.assigned_at END)
      < greatest((SELECT created_at FROM entries ORDER BY entry_id DESC LIMIT 1),
                              (SELECT max(created_at) FROM holds WHERE state = 'OPEN'))
                     - CASE u.state WHEN 'QUEUED' THEN interval '8 days' ELSE interval '17 days' END
ORDER BY h.reference LIMIT $1;

-- name: since_entries_i7
-- An entry that the log covers has a leaf, even if it was committed later.
SELECT 'entry ' || e.entry_id AS subject, 'no leaf, though the log covers entries to ' || h.covered AS found
FROM unnest($2::bigint[]) AS n (id)
JOIN log_head h ON n.id <= h.covered
JOIN entries e ON e.entry_id = n.id
WHERE (SELECT l.leaf_index FROM leaves l WHERE l.entry_id = e.entry_id) IS NULL
ORDER BY e.entry_id LIMIT $1;

-- name: since_log_i7_missing
-- Every entry above $2, the previous end of the covered range, that the log covers now has a leaf.
SELECT 'entry ' || e.entry_id AS subject, 'no leaf, though the log covers entries to ' || h.covered AS found
FROM log_head h
JOIN entries e ON e.entry_id > $2 AND e.entry_id <= h.covered
WHERE (SELECT l.leaf_index FROM leaves l WHERE l.entry_id = e.entry_id) IS NULL
ORDER BY e.entry_id LIMIT $1;

-- name: since_log_i7_late
-- Once the log has begun, no entry lacks a leaf while others are a minute younger.
SELECT 'entry ' || e.entry_id AS subject, 'no leaf since ' || e.created_at AS found
FROM entries e
WHERE e.entry_id > (SELECT covered FROM log_head)
  AND e.created_at < (SELECT max(created_at) FROM entries
                      WHERE entry_id > (SELECT covered FROM log_head)) - interval '60 s'
  AND (SELECT l.leaf_index FROM leaves l WHERE l.entry_id = e.entry_id) IS NULL
ORDER BY e.entry_id LIMIT $1;

-- name: since_log_i7_beyond
-- The log ends where its head says: no leaf or checkpoint lies beyond.
SELECT 'the log' AS subject,
       'its last leaf is ' || coalesce(l.last, -1) || ', its last checkpoint of ' || coalesce(c.last, 0)
           || ' leaves, its head says ' || coalesce(h.size, 0) AS found
FROM (SELECT max(leaf_index) AS last FROM leaves) l
CROSS JOIN (SELECT max(size) AS last FROM checkpoints) c
LEFT JOIN log_head h ON true
WHERE coalesce(l.last, -1) <> coalesce(h.size, 0) - 1 OR coalesce(c.last, 0) > coalesce(h.size, 0)
LIMIT $1;
