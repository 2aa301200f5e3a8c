-- Users for admins in the console.

-- name: user_desk_page
-- A page of the newest $2 whose e-mail or name contains $1, sorted by $3 ('-': descending), with their balances and
-- held amounts.
WITH found AS (
    SELECT id, email, name, role, is_active, created_at FROM users
    WHERE $1::text = '' OR position(lower($1) IN lower(email || ' ' || name)) > 0
    ORDER BY created_at DESC, id DESC LIMIT $2
), rich AS (
    SELECT f.*, coalesce(a.balance, 0) AS balance, coalesce(a.held, 0) AS held
    FROM found f LEFT JOIN accounts a ON a.name = 'user:' || f.id
)
SELECT r.* FROM rich r
ORDER BY CASE $3::text WHEN 'name' THEN lower(r.name) WHEN 'email' THEN r.email
                       WHEN 'role' THEN r.role END,
         CASE $3 WHEN '-name' THEN lower(r.name) WHEN '-email' THEN r.email
                 WHEN '-role' THEN r.role END DESC NULLS LAST,
         CASE $3 WHEN 'balance' THEN r.balance WHEN 'held' THEN r.held END,
         CASE $3 WHEN '-balance' THEN r.balance WHEN '-held' THEN r.held END DESC NULLS LAST,
         CASE $3 WHEN 'created' THEN r.created_at END,
         r.created_at DESC, r.id DESC
LIMIT $4 OFFSET $5;
