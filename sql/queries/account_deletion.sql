-- Deletion of an account by its user: what must be settled first. The changes are in the files of their tables.

-- name: account_organisations_lock
-- Lock the organisations that user $1 is in, or invited to, in order, so that their last two owners do not leave at once.
-- Taken before the user's row, as changes of members do.
SELECT id FROM organisations
WHERE id IN (SELECT organisation_id FROM organisation_members WHERE user_id = $1)
ORDER BY id FOR UPDATE;

-- name: account_lock
-- Lock the account of user $1, and create it if there is none. Taken before the user's row, as new jobs do.
INSERT INTO accounts AS a (name) VALUES ('user:' || $1::uuid)
ON CONFLICT (name) DO UPDATE SET is_closed = a.is_closed;

-- name: account_close
-- Let the Ledger refuse new jobs, holds and purchases of user $1.
UPDATE accounts SET is_closed = true WHERE name = 'user:' || $1::uuid;

-- name: account_address_keep
-- Keep the hash of the address of user $1, who is deleted at $2, if they got starter credits, or links to verify it in
-- the last hour.
WITH gone AS (
    SELECT sha256(convert_to(lower(u.email), 'UTF8')) AS sha256,
           EXISTS (SELECT FROM accounts a JOIN transfers t ON t.subject = a.id
                   WHERE a.name = 'user:' || u.id AND t.kind = 'ADJUSTMENT' AND t.reference = 'starter:' || u.id)
               AS had_starter,
           ARRAY(SELECT m.created_at FROM mails m
                 WHERE m.user_id = u.id AND m.kind = 'address.verify'
                   AND m.created_at > $2::timestamptz - interval '1 hour') AS mailed_at
    FROM users u WHERE u.id = $1
)
INSERT INTO deleted_addresses AS d (sha256, had_starter, mailed_at, deleted_at)
SELECT sha256, had_starter, mailed_at, $2 FROM gone WHERE had_starter OR cardinality(mailed_at) > 0
ON CONFLICT (sha256) DO UPDATE SET
    had_starter = d.had_starter OR excluded.had_starter, deleted_at = excluded.deleted_at,
    mailed_at = ARRAY(SELECT at FROM unnest(d.mailed_at || excluded.mailed_at) AS at
                      WHERE at > excluded.deleted_at - interval '1 hour');

-- name: deleted_address_had_starter
-- A row if a deleted account with the address of user $1 got starter credits.
SELECT FROM users u JOIN deleted_addresses d ON d.sha256 = sha256(convert_to(lower(u.email), 'UTF8'))
WHERE u.id = $1 AND d.had_starter;

-- name: deleted_addresses_purge
-- Forget when links were sent to addresses of deleted accounts, and those that had no starter credits, after an hour.
WITH forgotten AS (
    DELETE FROM deleted_addresses WHERE NOT had_starter AND deleted_at < now() - interval '1 hour'
)
UPDATE deleted_addresses SET mailed_at = '{}'
WHERE had_starter AND mailed_at <> '{}' AND deleted_at < now() - interval '1 hour';

-- name: account_admins_lock
-- Serialise deletions of admins, so that the last two are not deleted at once.
SELECT pg_advisory_xact_lock(hashtext('admins')) FROM users WHERE id = $1 AND role = 'admin';

-- name: account_obstacles
-- What keeps user $1 from deleting their account. Money is in units. ``bought``: credits that were bought, or paid
-- out as earnings, and are left. ``last_owner``: organisations with other members but no other owner.
SELECT (SELECT count(*) FROM jobs WHERE user_id = $1 AND completed_at IS NULL) AS open_jobs,
       coalesce(a.held, 0) AS held,
       least(coalesce(a.balance, 0),
             (SELECT coalesce(sum(units - refunded - disputed), 0) FROM purchases
              WHERE user_id = $1 AND state = 'PAID')
             + (SELECT coalesce(sum(amount), 0) FROM payouts WHERE operator_id = $1 AND kind = 'CREDITS'))::bigint
           AS bought,
       (SELECT count(*) FROM purchases
        WHERE user_id = $1 AND state = 'OPEN' AND created_at > $2::timestamptz - interval '1 day') AS open_purchases,
       -coalesce((SELECT balance FROM accounts WHERE name = 'debt:' || $1), 0) AS debt,
       (SELECT coalesce(sum(amount), 0)::bigint FROM earnings
        WHERE operator_id = $1 AND state IN ('PENDING', 'PAYABLE')) AS unpaid,
       (SELECT count(*) FROM units u JOIN nodes n ON n.id IN (u.node_id, u.copy_node_id)
        WHERE n.owner_id = $1 AND u.ended_at IS NULL AND u.state IN ('DISPATCHED', 'RUNNING', 'VERIFYING')) AS at_work,
       (SELECT count(*) FROM disputes d LEFT JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
        WHERE d.state = 'OPEN' AND (d.user_id = $1 OR e.operator_id = $1)) AS disputes,
       (SELECT count(*) FROM organisation_members m
        WHERE m.user_id = $1 AND m.role = 'owner' AND m.joined_at IS NOT NULL
          AND EXISTS (SELECT FROM organisation_members o WHERE o.organisation_id = m.organisation_id
                      AND o.user_id <> $1 AND o.joined_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM organisation_members o WHERE o.organisation_id = m.organisation_id
                          AND o.user_id <> $1 AND o.role = 'owner' AND o.joined_at IS NOT NULL)) AS last_owner,
       EXISTS (SELECT FROM users WHERE id = $1 AND role = 'admin')
           AND NOT EXISTS (SELECT FROM users WHERE id <> $1 AND role = 'admin' AND is_active) AS is_last_admin
FROM (SELECT 1) one LEFT JOIN accounts a ON a.name = 'user:' || $1::uuid;
