-- Balances, entries and holds of a user; and in the queries ledger_view_… of the console, those of all accounts, with
-- their progress towards the chain.

-- name: balance_of_users
-- The balance and held amount of each user; zero before the first entry.
SELECT coalesce(a.balance, 0) AS balance, coalesce(a.held, 0) AS held
FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, place)
LEFT JOIN accounts a ON a.name = 'user:' || u.id
ORDER BY u.place;

-- name: entries_of_user
-- A page of a user's entries, newest first: those older than entry $4, if given. Both bounds use the index, so a late
-- page costs as much as the first.
SELECT e.id, e.entry_id, e.amount, t.kind, t.reference, e.after, t.description, e.created_at
FROM entries e
JOIN transfers t ON t.id = e.transfer_id
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
  AND e.version < coalesce((SELECT version FROM entries WHERE transfer_id = transfer_of($4::uuid) AND id = $4),
                           9223372036854775807)
ORDER BY e.version DESC
LIMIT $2 OFFSET $3;

-- name: entry_is_of_user
-- A row if the entry belongs to the user, so that a page may begin after it.
SELECT FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.transfer_id = transfer_of($2::uuid) AND e.id = $2 AND a.name = 'user:' || $1::uuid;

-- name: entries_count
-- Count a user's entries: versions have no gaps.
SELECT version AS count FROM accounts WHERE name = 'user:' || $1::uuid;

-- name: holds_of_user
-- A page of a user's open holds, newest first, with the job and unit they are for.
SELECT h.id, h.amount, h.reference, h.created_at, j.id AS job_id, j.name AS job_name, j.job_type,
       j.status AS job_status, w.number AS unit, w.frames, w.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid
FROM holds h
LEFT JOIN jobs j
       ON j.id = CASE WHEN h.reference LIKE 'job:%' THEN split_part(h.reference, ':', 2)::uuid END
LEFT JOIN units w ON w.job_id = j.id
      AND w.number = CASE WHEN h.reference LIKE 'job:%' THEN split_part(h.reference, ':', 3)::integer END
WHERE h.state = 'OPEN'
  AND h.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
ORDER BY h.created_at DESC, h.id DESC
LIMIT $2 OFFSET $3;

-- name: holds_count
-- Count a user's open holds.
SELECT count(*) FROM holds
WHERE state = 'OPEN' AND account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid);

-- name: usage_of_user
-- A user's charges for work on each day from $2 to $3 (UTC), with the number of jobs; days without charges included.
WITH charged AS (
    SELECT (t.created_at AT TIME ZONE 'UTC')::date AS day, t.amount, split_part(t.reference, ':', 2) AS job
    FROM transfers t
    WHERE t.subject = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid) AND t.kind = 'USAGE'
      AND t.created_at >= $2::date::timestamp AT TIME ZONE 'UTC'
)
SELECT d.day::date AS day, coalesce(sum(c.amount), 0)::bigint AS charged,
       count(DISTINCT c.job) AS jobs
FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS d (day)
LEFT JOIN charged c ON c.day = d.day::date
GROUP BY d.day
ORDER BY d.day;

-- name: charged_unit
-- The charge for one unit of a job, and its creator; also for units without a charge.
SELECT j.user_id, j.id AS job_id, u.number, j.job_type, coalesce(h.settled, 0) AS charged
FROM units u
JOIN jobs j ON j.id = u.job_id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.job_id = $1 AND u.number = $2;

-- name: refundable_units
-- The charge for each unit of a job, and its first refund; an upheld dispute may have refunded the rest later.
SELECT u.number, u.frames, u.tile, coalesce(h.settled, 0) AS charged, t.amount AS refunded
FROM units u
JOIN jobs j ON j.id = u.job_id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN accounts a ON a.name = 'user:' || j.user_id
LEFT JOIN transfers t ON t.reference = 'job:' || u.job_id || ':' || u.number
                     AND t.subject = a.id AND t.kind = 'REFUND'
WHERE u.job_id = $1 ORDER BY u.number;

-- name: ledger_view_accounts
-- At most 100 accounts with the names $1, or matching $2: a prefix of the account's name, or part of its owner's
-- address or name.
SELECT a.id FROM accounts a
WHERE a.name = ANY($1::text[])
   OR $2::text <> '' AND (a.name ^@ $2 OR a.name IN (
        SELECT kind || u.id
        FROM (SELECT id FROM users WHERE position(lower($2) IN lower(email || ' ' || name)) > 0
              ORDER BY created_at DESC LIMIT 100) u,
             unnest(ARRAY['user:', 'operator:', 'debt:']) AS kind))
ORDER BY a.id LIMIT 100;

-- name: ledger_view_page
-- A page ($6, from $7) of the newest $4 entries below number $1, of some accounts ($8; null: all), sorted by $5 ('-':
-- descending); optionally only of kind $2, or with $3 in the reference. If accounts are given, each one's entries are
-- read backwards, only as far as needed.
WITH found AS (
    (SELECT e.entry_id, e.account_id, e.amount, e.after, t.created_at, t.kind, t.reference, t.description
     FROM transfers t
     CROSS JOIN LATERAL (VALUES (2 * t.id - 1, t.debit, -t.amount, t.debit_after),
                                (2 * t.id, t.credit, t.amount, t.credit_after)) e (entry_id, account_id, amount, after)
     WHERE $8::bigint[] IS NULL AND t.id <= coalesce($1 / 2, 9223372036854775807)
       AND e.entry_id < coalesce($1::bigint, 9223372036854775807)
       AND ($2::text IS NULL OR t.kind = $2) AND ($3::text = '' OR position($3 IN t.reference) > 0)
     ORDER BY t.id DESC, e.entry_id DESC LIMIT $4)
    UNION ALL
    (SELECT e.* FROM unnest($8) AS of_account (id), LATERAL (
        SELECT e.entry_id, e.account_id, e.amount, e.after, e.created_at, t.kind, t.reference, t.description
        FROM entries e JOIN transfers t ON t.id = e.transfer_id
        WHERE e.account_id = of_account.id AND ($1 IS NULL OR e.entry_id < $1)
          AND ($2 IS NULL OR t.kind = $2) AND ($3 = '' OR position($3 IN t.reference) > 0)
        ORDER BY e.version DESC LIMIT $4) e
     ORDER BY e.entry_id DESC LIMIT $4)
), rich AS (
    SELECT f.*, a.name AS account, u.email
    FROM found f
    JOIN accounts a ON a.id = f.account_id
    LEFT JOIN users u ON u.id = CASE WHEN a.name ~ '^(user|operator|debt):[0-9a-f-]{36}$'
                                 THEN split_part(a.name, ':', 2)::uuid END
), shown AS (
    SELECT r.*, row_number() OVER (
        ORDER BY CASE $5::text WHEN 'kind' THEN r.kind WHEN 'account' THEN coalesce(r.email, r.account) END,
                 CASE $5 WHEN '-kind' THEN r.kind WHEN '-account' THEN coalesce(r.email, r.account) END DESC NULLS LAST,
                 CASE $5 WHEN 'amount' THEN r.amount WHEN 'after' THEN r.after WHEN 'entry_id' THEN r.entry_id END,
                 CASE $5 WHEN '-amount' THEN r.amount WHEN '-after' THEN r.after END DESC NULLS LAST,
                 CASE $5 WHEN 'created_at' THEN r.created_at END,
                 r.entry_id DESC
    ) AS place
    FROM rich r
    ORDER BY place LIMIT $6 OFFSET $7
)
SELECT s.entry_id, s.account, s.email, s.kind, s.amount, s.after, s.reference, s.description,
       s.created_at, w.number AS unit, j.name AS job_name, w.frames, w.tile, string_to_array(j.plan -> 'spec' ->> 'tiles', 'x')::int[] AS grid, l.leaf_index,
       (SELECT c.at FROM checkpoints c WHERE c.size > l.leaf_index ORDER BY c.size LIMIT 1) AS signed_at,
       (SELECT x.confirmed_at FROM chain_transactions x
        WHERE x.size > l.leaf_index AND x.state = 'CONFIRMED' ORDER BY x.size LIMIT 1) AS anchored_at
FROM shown s
LEFT JOIN leaves l ON l.transfer = (s.entry_id + 1) / 2
LEFT JOIN units w ON w.job_id = CASE WHEN s.reference ~ '^(job:[0-9a-f-]{36}:[0-9]{1,7}|check:[0-9a-f-]{36}:[0-9]{1,7}:[0-9]+)$'
                                     THEN split_part(s.reference, ':', 2)::uuid END
                 AND w.number = CASE WHEN s.reference ~ '^(job:[0-9a-f-]{36}:[0-9]{1,7}|check:[0-9a-f-]{36}:[0-9]{1,7}:[0-9]+)$'
                                     THEN split_part(s.reference, ':', 3)::integer END
LEFT JOIN jobs j ON j.id = w.job_id
ORDER BY s.place;
