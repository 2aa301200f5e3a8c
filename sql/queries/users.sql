-- Users; admins see user_view_page in the console.

-- name: user_insert
-- Insert a user with a first login; no row if the e-mail is taken.
WITH created AS (
    INSERT INTO users (id, email, name, password_hash)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id, email, name, is_active, role, created_at
), family AS (
    INSERT INTO refresh_families (sid, user_id, jti, expires_at, client, rotated_at, created_at)
    SELECT $5, id, $6, $7, $8, $9, $9 FROM created
)
SELECT id, email, name, is_active, role, created_at FROM created;

-- name: user_lock
-- Lock a user, so that no other transaction counts the user's rows before this one has inserted its row.
SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE;

-- name: user_create
-- Insert a user on an admin's behalf, with a role; no row if the e-mail is taken. The admin vouches for the address.
INSERT INTO users (id, email, name, password_hash, role, verified_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (lower(email)) DO NOTHING
RETURNING id, email, name, is_active, role, created_at;

-- name: user_admins_lock
-- Serialise what depends on whether there are admins.
SELECT pg_advisory_xact_lock(hashtext('admins'));

-- name: user_admin_exists
-- Return whether there is an admin, also a deactivated one.
SELECT EXISTS (SELECT FROM users WHERE role = 'admin') AS found;

-- name: user_by_email
-- The user with this address, in any capitalisation.
SELECT id, email, name, is_active, role, created_at, password_hash
FROM users WHERE lower(email) = lower($1);

-- name: user_by_id
-- One user, with the password hash, and whether they own or have owned a node.
SELECT id, email, name, is_active, role, created_at, password_hash, has_password, verified_at, mails_off,
       deleted_at, invoice_to,
       EXISTS (SELECT FROM nodes n WHERE n.owner_id = users.id) AS has_nodes
FROM users WHERE id = $1;

-- name: user_page
-- Users whose address or name contains $1, or whose id begins with it, newest first, after the one with the id $2.
SELECT id, email, name, is_active, role, created_at FROM users
WHERE ($1::text = '' OR position(lower($1) IN lower(email || ' ' || name)) > 0 OR starts_with(id::text, lower($1)))
  AND ($2::uuid IS NULL OR (created_at, id) < (SELECT u.created_at, u.id FROM users u WHERE u.id = $2))
ORDER BY created_at DESC, id DESC
LIMIT $3;

-- name: user_count
-- Count users whose address or name contains $1, or whose id begins with it.
SELECT count(*) AS count FROM users
WHERE $1::text = '' OR position(lower($1) IN lower(email || ' ' || name)) > 0 OR starts_with(id::text, lower($1));

-- name: user_set_password
-- Set the password hash; no row if $2 is given and is not the current one.
UPDATE users SET password_hash = $3, has_password = true
WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2) AND deleted_at IS NULL
RETURNING id, email, name, is_active, role, created_at;

-- name: user_verify
-- Note that the address of a user is verified; no row if it was verified before.
UPDATE users SET verified_at = $2 WHERE id = $1 AND verified_at IS NULL
RETURNING id;

-- name: user_set_mails
-- Set the kinds of mail that a user does not want.
UPDATE users SET mails_off = $2 WHERE id = $1;

-- name: user_set_invoice_to
-- Set the buyer's name and address on invoices that are issued from now on.
UPDATE users SET invoice_to = $2 WHERE id = $1 AND deleted_at IS NULL;

-- name: user_set_active
-- Activate or deactivate a user; no row for a deleted one. A trigger ends the sessions of a deactivated user.
UPDATE users SET is_active = $2 WHERE id = $1 AND deleted_at IS NULL
RETURNING id, email, name, is_active, role, created_at;

-- name: user_set_role
-- Change a role; no row for a deleted user. A trigger ends the sessions, whose tokens contain the old role.
UPDATE users SET role = $2 WHERE id = $1 AND deleted_at IS NULL
RETURNING id, email, name, is_active, role, created_at;

-- name: user_is_last_admin
-- A row if user $1 is an active admin, and no other user is.
SELECT 1 AS found FROM users WHERE id = $1 AND role = 'admin' AND is_active
  AND NOT EXISTS (SELECT FROM users WHERE id <> $1 AND role = 'admin' AND is_active);

-- name: user_view_page
-- A page of the newest $2 whose e-mail or name contains $1, sorted by $3 ('-': descending), with their balances and
-- held amounts.
WITH found AS (
    SELECT id, email, name, role, is_active, created_at FROM users
    WHERE $1::text = '' OR position(lower($1) IN lower(email || ' ' || name)) > 0 OR starts_with(id::text, lower($1))
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

-- name: user_lock_by_password
-- Lock an active user whose password hash is $2.
SELECT id FROM users WHERE id = $1 AND password_hash = $2 AND is_active FOR UPDATE;

-- name: user_erase
-- Erase what tells who a user is. A trigger ends their sessions.
UPDATE users SET email = $2, name = $3, password_hash = $4, role = 'user', is_active = false, verified_at = NULL,
                 mails_off = '{}', invoice_to = '', deleted_at = $5
WHERE id = $1;
