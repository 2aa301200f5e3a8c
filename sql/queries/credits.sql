-- name: balance_of_users
-- What each user has, and what of it is held; nothing before anything was ever booked.
SELECT coalesce(a.balance, 0) AS balance, coalesce(a.held, 0) AS held
FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, place)
LEFT JOIN accounts a ON a.name = 'user:' || u.id
ORDER BY u.place;

-- name: entries_of_user
-- A page of a user's entries, newest first.
SELECT e.id, e.entry_id, e.amount, t.kind, t.reference, e.after, t.description, e.created_at
FROM entries e
JOIN accounts a ON a.id = e.account_id
JOIN transfers t ON t.id = e.transfer_id
WHERE a.name = 'user:' || $1::uuid
ORDER BY e.version DESC
LIMIT $2 OFFSET $3;

-- name: entries_count
-- How many entries a user has: versions have no hole.
SELECT version AS count FROM accounts WHERE name = 'user:' || $1::uuid;
