-- The invariants of the books. Each query finds violations of one invariant, one row per violation. Its name says
-- which rows it checks (sql/fsck.py): those of `transfers`, `accounts` or `jobs` with the ids $1, or all if $1 is
-- null. I12: the database's record of the chain agrees with the log. The chain itself is checked by
-- `rendertrust fsck` and the Anchor, if there is one.

-- name: fsck_settings
-- Settings for an audit: no time limit, and a new plan for each execution, so that a null $1 leaves no condition. $1:
-- whether tables may be scanned; the gateway's other connections use indexes.
SELECT set_config('statement_timeout', '0', true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('enable_seqscan', $1, true);

-- name: fsck_snapshot
-- The range of transactions of this snapshot, and the position of the log. Transactions below the first id have ended
-- and are visible; those from the second id on are not visible.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
       coalesce((SELECT size FROM log_head), 0) AS size,
       coalesce((SELECT covered FROM log_head), 0) AS covered;

-- name: fsck_new_transfers
-- Transfers written by transactions from $1 on and below $2, whatever their numbers; and transfers that the log has
-- covered since it covered only those up to $3.
SELECT id FROM transfers WHERE written >= $1 AND written < $2
UNION
SELECT id FROM transfers WHERE id > $3 AND id <= (SELECT covered FROM log_head);

-- name: fsck_new_accounts
-- Accounts changed by transaction $3 or later (there are as many as users), and the accounts of new entries, which
-- must have changed.
SELECT id FROM accounts WHERE age(xmin) <= age($3::xid)
UNION
SELECT account_id FROM entries WHERE written >= $1 AND written < $2;

-- name: fsck_new_jobs
-- Jobs changed by transactions from $1 on and below $2.
SELECT id FROM jobs WHERE touched >= $1 AND touched < $2;

-- name: fsck_transfers_i1
-- Both accounts of a transfer exist: no foreign key says so.
SELECT 'transfer ' || t.id AS subject,
       'an amount of ' || t.amount || ' has no account ' || CASE WHEN d.id IS NULL THEN t.debit ELSE t.credit END
           AS found
FROM transfers t
LEFT JOIN accounts d ON d.id = t.debit
LEFT JOIN accounts c ON c.id = t.credit
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1)) AND (d.id IS NULL OR c.id IS NULL)
ORDER BY t.id;

-- name: fsck_transfers_i2
-- Each entry follows the previous one of its account, so that the newest has the sum of all. The result is unordered:
-- PostgreSQL expects many violations, and a sort would look costly.
SELECT 'entry ' || e.entry_id AS subject,
       'version ' || e.version || ' leads from ' || e.before || ' by ' || e.amount || ' to ' || e.after
           || ', the one before ended at ' || coalesce(p.after, 0)
           || coalesce(' with version ' || p.version, ', and is missing') AS found
FROM entries e
LEFT JOIN entries p ON p.account_id = e.account_id AND p.version = e.version - 1
WHERE ($1::bigint[] IS NULL OR e.transfer_id = ANY($1))
  AND (e.before <> coalesce(p.after, 0) OR (p.version IS NULL AND e.version <> 1));

-- name: fsck_transfers_i2_sides
-- No entry of the other side has the account and version of an entry; the unique indexes cover one side each.
SELECT 'transfer ' || t.id AS subject,
       'has a version of an account that transfer ' || coalesce(c.id, d.id) || ' has, too' AS found
FROM transfers t
LEFT JOIN transfers c ON c.credit = t.debit AND c.credit_version = t.debit_version
LEFT JOIN transfers d ON d.debit = t.credit AND d.debit_version = t.credit_version
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1)) AND coalesce(c.id, d.id) IS NOT NULL;

-- name: fsck_accounts_i2
-- An account's balance and version are those of its newest entry.
SELECT a.name AS subject,
       'balance ' || a.balance || ' at version ' || a.version || ', but its newest entry ends at '
           || coalesce(e.after, 0) || ' with version ' || coalesce(e.version, 0) AS found
FROM accounts a
LEFT JOIN LATERAL (SELECT version, after FROM entries WHERE account_id = a.id
                   ORDER BY version DESC LIMIT 1) e ON true
WHERE ($1::bigint[] IS NULL OR a.id = ANY($1))
  AND (a.balance <> coalesce(e.after, 0) OR a.version <> coalesce(e.version, 0))
ORDER BY a.id;

-- name: fsck_always_i2_held
-- The held amount of an account is the sum of its open holds, and is covered by its balance.
SELECT a.name AS subject,
       'held ' || a.held || ' of ' || a.balance || ', open holds sum up to '
           || coalesce(h.sum, 0) AS found
FROM accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS sum FROM holds WHERE state = 'OPEN'
           GROUP BY account_id) h ON h.account_id = a.id
WHERE a.held <> coalesce(h.sum, 0) OR (NOT a.may_overdraw AND a.balance - a.held < 0)
ORDER BY a.id;

-- name: fsck_whole_i2_holds
-- The account of a hold exists: no foreign key says so.
SELECT 'hold ' || h.reference AS subject, 'it has no account ' || h.account_id AS found
FROM holds h LEFT JOIN accounts a ON a.id = h.account_id
WHERE a.id IS NULL
ORDER BY h.reference;

-- name: fsck_whole_i3_jobs
-- The job of a unit exists: no foreign key says so.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject, u.state || ' without a job' AS found
FROM units u LEFT JOIN jobs j ON j.id = u.job_id
WHERE j.id IS NULL
ORDER BY u.job_id, u.number;

-- name: fsck_always_i3_live
-- An open hold has a unit that has not ended.
SELECT 'hold ' || h.reference AS subject,
       CASE WHEN u.job_id IS NULL THEN 'open without a unit of work'
            ELSE 'open, but its unit is ' || u.state END AS found
FROM holds h
CROSS JOIN LATERAL (SELECT replace(split_part(h.reference, ':', 2), '-', '') AS job,
                           split_part(h.reference, ':', 3) AS unit) r
LEFT JOIN units u
       ON u.job_id = CASE WHEN length(r.job) = 32 AND r.job ~ '^[0-9a-f]*$' THEN r.job::uuid END
      AND u.number = CASE WHEN r.unit ~ '^[0-9]{1,9}$' THEN r.unit::integer END
      AND h.reference = 'job:' || u.job_id || ':' || u.number
WHERE h.state = 'OPEN' AND (u.job_id IS NULL OR u.ended_at IS NOT NULL)
ORDER BY h.reference;

-- name: fsck_always_i3_deadline
-- A unit waits for at most seven days, then its hold is released; in a job of several units, the wait restarts while
-- nodes get some of them. A unit at a node may wait there for 32 others of six hours each, and take as long itself:
-- nine more days. One day is tolerated. The clock is the time of the newest entry or open hold: while no gateway
-- runs, nothing can be released.
SELECT 'hold ' || h.reference AS subject, 'open since ' || h.created_at AS found
FROM holds h
CROSS JOIN LATERAL (SELECT replace(split_part(h.reference, ':', 2), '-', '') AS job,
                           split_part(h.reference, ':', 3) AS unit) r
JOIN units u
       ON u.job_id = CASE WHEN length(r.job) = 32 AND r.job ~ '^[0-9a-f]*$' THEN r.job::uuid END
      AND u.number = CASE WHEN r.unit ~ '^[0-9]{1,9}$' THEN r.unit::integer END
      AND h.reference = 'job:' || u.job_id || ':' || u.number
JOIN jobs j ON j.id = u.job_id
WHERE h.state = 'OPEN'
  AND greatest(h.created_at, CASE WHEN j.units > 1 AND u.state = 'QUEUED' THEN j.dispatched_at
                                   WHEN j.units > 1 THEN u.assigned_at END)
      < greatest((SELECT created_at FROM transfers ORDER BY id DESC LIMIT 1),
                 (SELECT max(created_at) FROM holds WHERE state = 'OPEN'))
        - CASE u.state WHEN 'QUEUED' THEN interval '8 days' ELSE interval '17 days' END
ORDER BY h.reference;

-- name: fsck_jobs_i3_units
-- An open unit with a price has a hold of exactly that amount.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' at a price of ' || u.price || ', hold ' || coalesce(h.state || ' of ' || h.amount, 'none')
           AS found
FROM units u
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE ($1::uuid[] IS NULL OR u.job_id = ANY($1))
  AND u.ended_at IS NULL AND u.price > 0
  AND (h.state IS DISTINCT FROM 'OPEN' OR h.amount IS DISTINCT FROM u.price)
ORDER BY u.job_id, u.number;

-- name: fsck_jobs_i3_settled
-- A settled hold was charged, with its settled amount; an open or released one was not.
SELECT 'hold ' || h.reference AS subject,
       h.state || ' with ' || h.settled || ', charged ' || coalesce(t.amount, 0) AS found
FROM holds h
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
WHERE ($1::uuid[] IS NULL
       OR h.reference = ANY(ARRAY(SELECT 'job:' || job_id || ':' || number FROM units WHERE job_id = ANY($1))))
  AND coalesce(t.amount, 0) <> h.settled
ORDER BY h.reference;

-- name: fsck_transfers_i3
-- The charge for a unit is the settled amount of its hold.
SELECT 'hold ' || t.reference AS subject,
       coalesce(h.state || ' with ' || h.settled, 'not there') || ', charged ' || t.amount AS found
FROM transfers t
LEFT JOIN holds h ON h.reference = t.reference
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'USAGE' AND t.reference LIKE 'job:%' AND h.settled IS DISTINCT FROM t.amount
ORDER BY t.id;

-- name: fsck_jobs_i4
-- A COMPLETED unit with a price was settled, for at most its hold; no other unit was settled.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' at a price of ' || u.price || ', hold ' || coalesce(h.state, 'none')
           || ', charged ' || coalesce(t.amount, 0) AS found
FROM units u
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN transfers t
       ON t.subject = h.account_id AND t.kind = 'USAGE' AND t.reference = h.reference
WHERE ($1::uuid[] IS NULL OR u.job_id = ANY($1))
  AND CASE WHEN u.state <> 'COMPLETED' THEN h.state = 'SETTLED' OR t.id IS NOT NULL
           WHEN u.price > 0 THEN h.state IS DISTINCT FROM 'SETTLED' OR t.id IS NULL
                                 OR t.amount > h.amount END
ORDER BY u.job_id, u.number;

-- name: fsck_whole_i4_verdicts
-- A unit waits for a verdict exactly while its check is pending; a unit with an invalid result is not complete,
-- unless it was refunded; a speculative attempt waits for its own verdict.
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
ORDER BY subject;

-- name: fsck_whole_i4_receipts
-- A receipt matches its hash, and the entry that pays for it is the debit of a transfer with that hash.
SELECT 'receipt of ' || r.job_id || ':' || r.unit AS subject,
       CASE WHEN r.hash <> sha256(convert_to(r.document, 'UTF8')) THEN 'it has another hash'
            ELSE 'entry ' || coalesce(r.entry_id::text, 'none') || ' pays for another, or none' END AS found
FROM receipts r
LEFT JOIN transfers t ON t.id = (r.entry_id + 1) / 2 AND r.entry_id % 2 = 1
WHERE r.hash <> sha256(convert_to(r.document, 'UTF8'))
   OR (r.entry_id IS NOT NULL AND t.receipt IS DISTINCT FROM r.hash)
ORDER BY r.job_id, r.unit;

-- name: fsck_transfers_i4_refunds
-- A refund of a charge for work is at most the charge; I5 allows one such refund.
SELECT 'transfer ' || t.id AS subject,
       'gave back ' || t.amount || ' for ' || t.reference || ', charged ' || coalesce(h.settled, 0)
           AS found
FROM transfers t
LEFT JOIN holds h ON h.reference = t.reference
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'REFUND' AND t.reference LIKE 'job:%' AND t.subject = t.credit
  AND t.amount > coalesce(h.settled, 0)
ORDER BY t.id;

-- name: fsck_transfers_i4_earnings
-- Only a verified unit pays an operator, at most its charge, and the amount is that of its share.
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
-- The balance of an operator, or of the account suspense, is the sum of the pending and payable shares.
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
-- An upheld dispute refunded the charge and reversed the share, once; no other dispute did. A disputed share is
-- neither payable nor paid.
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
-- Only an upheld dispute takes a share back, and refunds the rest of the charge.
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
-- A share is forfeited while it has a fine that was not returned; an operator's forfeited shares equal the fines
-- booked less those returned.
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
-- The fines for a result, less those returned, equal the shares forfeited for it; and the result was a strike.
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
-- A fine takes no more than its result requires, plus part of one share.
SELECT 'unit ' || c.job_id || ':' || c.unit AS subject,
       'attempt ' || c.attempt || ' is fined ' || f.amount || ' at odds ' || coalesce(c.odds::text, 'of none') AS found
FROM (SELECT f.job_id, f.unit, f.attempt, sum(e.amount) AS amount, max(e.amount) AS most
      FROM fines f JOIN earnings e ON e.id = f.share_id WHERE f.returned_at IS NULL GROUP BY 1, 2, 3) f
JOIN checks c ON c.job_id = f.job_id AND c.unit = f.unit AND c.attempt = f.attempt
JOIN units u ON u.job_id = c.job_id AND u.number = c.unit
CROSS JOIN LATERAL (SELECT u.price * c.share_percent / 100 AS amount) s
WHERE (f.amount - f.most < 2 * s.amount / c.odds::float8 - s.amount + 1) IS NOT TRUE
ORDER BY 1;

-- name: fsck_whole_i5
-- At most one posting per account, kind and reference; an operator is paid once for a unit.
SELECT kind || ' ' || reference AS subject, count(*) || ' transfers' AS found
FROM transfers
GROUP BY CASE WHEN kind = 'EARNING' THEN 0 ELSE subject END, kind, reference
HAVING count(*) > 1
ORDER BY kind, reference;

-- name: fsck_whole_i5_shards
-- A reference belongs to an account, not to one of its shards: there it could exist twice. A shard is named after its
-- account.
SELECT 'account ' || t.name AS subject,
       'a shard of ' || a.name || CASE WHEN r.subject IS NULL THEN '' ELSE ', with references' END
           AS found
FROM accounts t
JOIN accounts a ON a.id = t.shard_of
LEFT JOIN (SELECT DISTINCT subject FROM transfers) r ON r.subject = t.id AND t.id <> a.id
WHERE r.subject IS NOT NULL OR a.shard_of IS DISTINCT FROM a.id
   OR split_part(t.name, ':', 1) <> a.name
ORDER BY t.id;

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

-- name: fsck_transfers_i7
-- Every transfer that the log covers has a leaf.
SELECT 'transfer ' || t.id AS subject, 'no leaf, though the log covers transfers to ' || h.covered AS found
FROM log_head h JOIN transfers t ON t.id <= h.covered
LEFT JOIN leaves l ON l.transfer = t.id
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1)) AND l.transfer IS NULL
ORDER BY t.id;

-- name: fsck_always_i7_late
-- Once the log has begun, no transfer without a leaf is over a minute older than the newest transfer.
SELECT 'transfer ' || t.id AS subject, 'no leaf since ' || t.created_at AS found
FROM transfers t
WHERE t.id > (SELECT covered FROM log_head)
  AND t.created_at + interval '60 s' < (SELECT max(created_at) FROM transfers
                                        WHERE id > (SELECT covered FROM log_head))
  AND (SELECT l.leaf_index FROM leaves l WHERE l.transfer = t.id) IS NULL
ORDER BY t.id;

-- name: fsck_always_i7_end
-- The log ends with the leaf that its head names.
SELECT 'the log' AS subject,
       'its last leaf is ' || coalesce(l.last, -1) || ', its head says ' || coalesce(h.size, 0) || ' leaves' AS found
FROM (SELECT max(leaf_index) AS last FROM leaves) l
LEFT JOIN log_head h ON true
WHERE coalesce(l.last, -1) <> coalesce(h.size, 0) - 1;

-- name: fsck_always_i7_beyond
-- No checkpoint has more leaves than the log.
SELECT 'checkpoint ' || c.size AS subject, 'the log has ' || h.size || ' leaves' AS found
FROM (SELECT coalesce(max(size), 0) AS size FROM log_head) h
JOIN checkpoints c ON c.size > h.size
ORDER BY c.size;

-- name: fsck_whole_i7_indices
-- Leaves are numbered from 0 without gaps.
SELECT 'the log' AS subject, count(*) || ' leaves from ' || min(leaf_index) || ' to ' || max(leaf_index) AS found
FROM leaves HAVING min(leaf_index) <> 0 OR max(leaf_index) <> count(*) - 1;

-- name: fsck_whole_i7_keys
-- A log with checkpoints has a valid key.
SELECT 'checkpoint ' || size AS subject, 'signed, and the log has no key' AS found
FROM checkpoints WHERE NOT EXISTS (SELECT FROM log_keys)
ORDER BY size;

-- name: fsck_whole_i8_numbers
-- Checkpoints are numbered without gaps, and are as many as the log's head has counted.
SELECT 'checkpoint number ' || n.number AS subject,
       'is missing: of ' || h.checkpoints || ' that were signed, after that of '
           || coalesce((SELECT max(c.size) FROM checkpoints c WHERE c.number < n.number), 0) || ' leaves' AS found
FROM log_head h, LATERAL generate_series(1, h.checkpoints) AS n (number)
WHERE NOT EXISTS (SELECT FROM checkpoints c WHERE c.number = n.number)
ORDER BY n.number;

-- name: fsck_jobs_i9_units
-- Only an attempt assigned to a node completes a unit, and only a completed unit has a result. The result belongs to
-- the unit's attempt: our keys are results/{user}/{job}/{unit}/{attempt}/….
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       u.state || ' in attempt ' || u.attempt || CASE WHEN u.node_id IS NULL THEN ', without a node' ELSE '' END
           || ', its result ' || coalesce(u.result_key, 'none') AS found
FROM units u
CROSS JOIN LATERAL (SELECT split_part(u.result_key, 'results/', 2) AS path) k
WHERE ($1::uuid[] IS NULL OR u.job_id = ANY($1))
  AND ((u.state = 'COMPLETED' AND (u.attempt = 0 OR u.node_id IS NULL))
       OR (u.state <> 'COMPLETED' AND (u.result_key IS NOT NULL OR u.verified))
       OR (split_part(k.path, '/', 2) = u.job_id::text AND split_part(k.path, '/', 3) = u.number::text
           AND split_part(k.path, '/', 4) <> u.attempt::text))
ORDER BY u.job_id, u.number;

-- name: fsck_jobs_i9_parts
-- The unit assembled from others counts exactly those that are not complete as missing.
SELECT 'unit ' || u.job_id || ':' || u.number AS subject,
       'misses ' || u.missing || ' of its parts, ' || p.open || ' are not complete' AS found
FROM units u
CROSS JOIN LATERAL (SELECT count(*) AS open FROM units f
                    WHERE f.job_id = u.job_id AND f.feeds = u.number AND f.state <> 'COMPLETED') p
WHERE ($1::uuid[] IS NULL OR u.job_id = ANY($1))
  AND (u.missing > 0 OR u.tile IS NULL) AND u.frames IS NOT NULL AND u.missing <> p.open
ORDER BY u.job_id, u.number;

-- name: fsck_jobs_i9
-- A job's row agrees with its units.
SELECT 'job ' || j.id AS subject,
       j.status || ' after ' || j.retry_count || ' retries, with ' || j.open_units || ' open, '
           || j.failed_units || ' failed and ' || j.cancelled_units || ' cancelled of ' || j.units
           || ' units, ' || j.charged || ' charged of ' || j.committed || '; they are '
           || coalesce(string_agg(u.state, ', ' ORDER BY u.number), 'none') AS found
FROM jobs j LEFT JOIN units u ON u.job_id = j.id
WHERE $1::uuid[] IS NULL OR j.id = ANY($1)
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
ORDER BY j.id;

-- name: fsck_transfers_i11
-- A credit for a session is a paid purchase of its buyer.
SELECT 'session ' || t.reference AS subject,
       coalesce('purchase ' || p.id || ' of ' || p.units || ', ' || p.state, 'no purchase')
           || ', credited ' || t.amount || ' to ' || a.name AS found
FROM transfers t
JOIN accounts a ON a.id = t.credit
LEFT JOIN purchases p ON p.session = t.reference
WHERE ($1::bigint[] IS NULL OR t.id = ANY($1))
  AND t.kind = 'STRIPE' AND t.subject = t.debit
  AND (p.state IS DISTINCT FROM 'PAID' OR p.units <> t.amount OR a.name <> 'user:' || p.user_id)
ORDER BY t.id;

-- name: fsck_whole_i11_purchases
-- A paid purchase was credited.
SELECT 'session ' || p.session AS subject, 'purchase ' || p.id || ' of ' || p.units || ', credited nothing' AS found
FROM purchases p
WHERE p.state = 'PAID'
  AND NOT EXISTS (SELECT FROM transfers t
                  WHERE t.subject = (SELECT id FROM accounts WHERE name = 'purchases')
                    AND t.kind = 'STRIPE' AND t.reference = p.session)
ORDER BY p.id;

-- name: fsck_whole_i11_reversals
-- The reversed amount of a purchase follows from its refunds and disputes, each counted once.
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
ORDER BY id;

-- name: fsck_whole_i11_taken
-- What was taken from a user and from their debt account equals what their purchases' refunds and disputes took.
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
ORDER BY 1;

-- name: fsck_always_i11_debts
-- A user with debts has nothing available.
SELECT d.name AS subject, 'owes ' || -d.balance || ' and has ' || u.balance - u.held AS found
FROM accounts u JOIN accounts d ON d.id = u.debt
WHERE d.balance < 0 AND u.balance - u.held > 0
ORDER BY d.id;

-- name: fsck_whole_i12_roots
-- An anchor has the root of the checkpoint of its size.
SELECT 'anchor ' || t.size AS subject,
       'its root is ' || encode(t.root, 'hex') || ', the checkpoint''s '
           || coalesce(encode(c.root, 'hex'), 'missing') AS found
FROM chain_transactions t LEFT JOIN checkpoints c ON c.size = t.size
WHERE t.size IS NOT NULL AND t.root IS DISTINCT FROM c.root
ORDER BY t.size;

-- name: fsck_whole_i12_numbers
-- A sender's transactions are numbered without gaps, except for those that an epoch left behind.
SELECT 'transaction ' || n.nonce || ' of ' || s.sender AS subject,
       'is missing, and there are later ones on chain ' || s.chain_id AS found
FROM (SELECT chain_id, sender, min(nonce) AS first, max(nonce) AS last
      FROM chain_transactions GROUP BY chain_id, sender) s,
     LATERAL generate_series(s.first, s.last) AS n (nonce)
WHERE NOT EXISTS (SELECT FROM chain_transactions t
                  WHERE t.chain_id = s.chain_id AND t.sender = s.sender AND t.nonce = n.nonce)
  AND NOT EXISTS (SELECT FROM epochs e
                  WHERE e.chain_id = s.chain_id AND e.sender = s.sender AND n.nonce < e.nonce)
ORDER BY s.chain_id, s.sender, n.nonce;

-- name: fsck_whole_i12_contracts
-- The deployment of each anchor's contract is known.
SELECT 'contract ' || t.contract AS subject,
       count(*) || ' anchors on chain ' || t.chain_id || ', but not the transaction that made it' AS found
FROM chain_transactions t
WHERE t.size IS NOT NULL
  AND NOT EXISTS (SELECT FROM chain_transactions m
                  WHERE m.chain_id = t.chain_id AND m.contract = t.contract AND m.size IS NULL)
GROUP BY t.chain_id, t.contract
ORDER BY t.contract;

-- name: fsck_whole_i12_epochs
-- Each epoch has its leaf, and the log has the newest epoch's name.
SELECT 'epoch ' || e.number AS subject,
       CASE WHEN l.leaf_index IS NULL THEN 'has no leaf at ' || e.leaf_index
            ELSE 'its name is ' || e.origin || ', the log''s ' || h.origin END AS found
FROM epochs e
LEFT JOIN leaves l ON l.leaf_index = e.leaf_index AND l.transfer IS NULL
LEFT JOIN log_head h ON true
WHERE l.leaf_index IS NULL
   OR (e.number = (SELECT max(number) FROM epochs) AND h.origin IS DISTINCT FROM e.origin)
ORDER BY e.number;

-- name: fsck_whole_i12_origin
-- The log's name is that of its newest checkpoint, or of an epoch that has none yet.
SELECT 'the log''s name' AS subject,
       'is ' || h.origin || ', its newest checkpoint''s ' || split_part(c.note, E'\n', 1) AS found
FROM log_head h, (SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1) c
WHERE split_part(c.note, E'\n', 1) <> h.origin
  AND NOT EXISTS (SELECT FROM epochs e
                  WHERE e.origin = h.origin AND e.number = (SELECT max(number) FROM epochs));

-- name: fsck_whole_i12_halt
-- The chain has nothing that the log lacks.
SELECT CASE reason WHEN 'BEHIND' THEN 'checkpoint ' || size ELSE 'chain ' || chain_id END AS subject,
       CASE reason WHEN 'BEHIND' THEN 'a gateway signed '
                        ELSE 'contract ' || contract || ' has ' END
           || size || ' leaves with the root ' || encode(root, 'hex')
           || ', the log ' || coalesce((SELECT log_head.size FROM log_head), 0)
           || ' and not that root: nothing is written until `rendertrust chain reopen`' AS found
FROM log_halted WHERE reason <> 'RESTORED';

-- name: fsck_log_keys
-- The valid keys.
SELECT verifier FROM log_keys ORDER BY added_at;

-- name: fsck_anchor_notes
-- Confirmed anchors with their signed notes, newest first.
SELECT split_part(c.note, E'\n', 1) AS origin, t.chain_id, t.contract, t.size, t.root,
       coalesce(t.mined_hash, t.hashes[cardinality(t.hashes)]) AS hash, t.block_number, t.note
FROM chain_transactions t JOIN checkpoints c ON c.size = t.size
WHERE t.state = 'CONFIRMED' AND t.note IS NOT NULL
ORDER BY t.size DESC;
