-- Accounts to which operators have their money sent. The method and the account are sealed.

-- name: payout_account_set
-- Store an account of user $1, which waits until $5.
INSERT INTO payout_accounts (user_id, sealed, currency, changed_at, usable_at) VALUES ($1, $2, $3, $4, $5);

-- name: payout_account_stop
-- Delete the account of user $1 that waits at $2; no row if none does.
DELETE FROM payout_accounts WHERE user_id = $1 AND usable_at > $2 RETURNING user_id;

-- name: payout_account_replaced
-- Delete the accounts of user $1 that a newer one has replaced by $2.
DELETE FROM payout_accounts WHERE user_id = $1 AND usable_at < (
    SELECT max(usable_at) FROM payout_accounts WHERE user_id = $1 AND usable_at <= $2);

-- name: payout_accounts_of
-- The accounts of these users, oldest first.
SELECT user_id, sealed, currency, changed_at, usable_at FROM payout_accounts WHERE user_id = ANY($1::uuid[])
ORDER BY usable_at;

-- name: payout_account_reseal
-- Replace the sealed text $2 of a user's account by $3, which says the same.
UPDATE payout_accounts SET sealed = $3 WHERE user_id = $1 AND sealed = $2;

-- name: payout_account_remove
-- Delete the accounts of a user; no row if there is none.
DELETE FROM payout_accounts WHERE user_id = $1 RETURNING user_id;

-- name: payout_accounts_erase
-- Delete the accounts of a user whose account here is deleted.
DELETE FROM payout_accounts WHERE user_id = $1;
