-- Entries of the books for the console, with their progress towards the chain.

-- name: ledger_desk_accounts
-- Accounts with these names ($1), or matching $2: a prefix of the name, or part of the owner's address or name. At most
-- 100.
SELECT a.id FROM accounts a
WHERE a.name = ANY($1::text[])
   OR $2::text <> '' AND (a.name ^@ $2 OR a.name IN (
        SELECT kind || u.id
        FROM (SELECT id FROM users WHERE position(lower($2) IN lower(email || ' ' || name)) > 0
              ORDER BY created_at DESC LIMIT 100) u,
             unnest(ARRAY['user:', 'operator:', 'debt:']) AS kind))
ORDER BY a.id LIMIT 100;

-- name: ledger_desk_page
-- A page ($6, from $7) of the newest $4 entries below number $1, of some accounts ($8; null: all), sorted by $5 ('-':
-- descending), of kind $2 and with $3 in the reference, where given. With accounts given, each is read from its end,
-- only as far as needed.
WITH found AS (
    (SELECT e.entry_id, e.account_id, e.amount, e.after, e.created_at, t.kind, t.reference, t.description
     FROM entries e JOIN transfers t ON t.id = e.transfer_id
     WHERE $8::bigint[] IS NULL AND ($1::bigint IS NULL OR e.entry_id < $1)
       AND ($2::text IS NULL OR t.kind = $2) AND ($3::text = '' OR position($3 IN t.reference) > 0)
     ORDER BY e.entry_id DESC LIMIT $4)
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
       s.created_at, w.number AS unit, w.frames, w.tile, j.params -> '_tiles' AS grid, l.leaf_index,
       (SELECT c.at FROM checkpoints c WHERE c.size > l.leaf_index ORDER BY c.size LIMIT 1) AS signed_at,
       (SELECT x.confirmed_at FROM chain_transactions x
        WHERE x.size > l.leaf_index AND x.state = 'CONFIRMED' ORDER BY x.size LIMIT 1) AS anchored_at
FROM shown s
LEFT JOIN leaves l ON l.entry_id = s.entry_id
LEFT JOIN units w ON w.job_id = CASE WHEN s.reference ~ '^(job:[0-9a-f-]{36}:[0-9]{1,7}|check:[0-9a-f-]{36}:[0-9]{1,7}:[0-9]+)$'
                                     THEN split_part(s.reference, ':', 2)::uuid END
                 AND w.number = CASE WHEN s.reference ~ '^(job:[0-9a-f-]{36}:[0-9]{1,7}|check:[0-9a-f-]{36}:[0-9]{1,7}:[0-9]+)$'
                                     THEN split_part(s.reference, ':', 3)::integer END
LEFT JOIN jobs j ON j.id = w.job_id
ORDER BY s.place;
