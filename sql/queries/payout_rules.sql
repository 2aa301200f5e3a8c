-- When operators are paid out without asking, and what a payout has at least.

-- name: payout_rule_set
-- Store the rule of active user $1, instead of an earlier one; no row if the user is not active.
INSERT INTO payout_rules (user_id, schedule, kind, minimum, next_at)
SELECT u.id, $2, $3, $4, $5 FROM users u WHERE u.id = $1 AND u.is_active
ON CONFLICT (user_id) DO UPDATE
SET schedule = excluded.schedule, kind = excluded.kind, minimum = excluded.minimum, next_at = excluded.next_at
RETURNING user_id;

-- name: payout_rule_of
-- The rule of a user.
SELECT schedule, kind, minimum, next_at FROM payout_rules WHERE user_id = $1;

-- name: payout_dates_passed
-- Rules whose date is over, the oldest first, at most $1. ``is_due``: the operator still has to be paid for this date:
-- their oldest $2 payable shares are the minimum (for money at least $3) or are not all that is payable. No money is due
-- unless $4.
SELECT r.user_id AS operator, r.schedule, r.kind, r.minimum, r.next_at AS date, now() AS seen_at,
       u.is_active AND (r.kind = 'CREDITS' OR $4) AND coalesce(p.amount, 0) > 0
           AND (p.units >= $2 OR p.amount >= CASE r.kind WHEN 'MONEY' THEN greatest(r.minimum, $3) ELSE r.minimum END)
           AND NOT EXISTS (SELECT FROM payouts o WHERE o.operator_id = r.user_id AND o.requested_at >= r.next_at) AS is_due
FROM payout_rules r
JOIN users u ON u.id = r.user_id
CROSS JOIN LATERAL (SELECT count(*) AS units, sum(e.amount) AS amount
                    FROM (SELECT amount FROM earnings
                          WHERE operator_id = r.user_id AND state = 'PAYABLE' AND payout_id IS NULL
                          ORDER BY payable_at, id LIMIT $2) e) p
WHERE r.next_at <= now() ORDER BY r.next_at, r.user_id LIMIT $1;

-- name: payout_date_move
-- Set the date of user $1's rule to $3 if it is $2.
UPDATE payout_rules SET next_at = $3 WHERE user_id = $1 AND next_at = $2;

-- name: payout_rules_erase
-- Delete the rule of a user whose account is deleted.
DELETE FROM payout_rules WHERE user_id = $1;
