-- Ids from $1 to $2, which are those with one beginning: at most ten. $3: their owner; null: of all owners.

-- name: users_beginning
-- Users; for a user, only themselves.
SELECT id FROM users WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR id = $3) ORDER BY id LIMIT 10;

-- name: organisations_beginning
-- Organisations, of their members and those who are invited.
SELECT o.id FROM organisations o
WHERE o.id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR EXISTS (
    SELECT FROM organisation_members m WHERE m.organisation_id = o.id AND m.user_id = $3))
ORDER BY o.id LIMIT 10;

-- name: endpoints_beginning
-- Webhook endpoints.
SELECT id FROM endpoints WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR user_id = $3) ORDER BY id LIMIT 10;

-- name: disputes_beginning
-- Disputes, of the creators who opened them and the operators of the disputed work.
SELECT d.id FROM disputes d
WHERE d.id BETWEEN $1 AND $2
  AND ($3::uuid IS NULL OR d.user_id = $3
       OR EXISTS (SELECT FROM earnings e WHERE e.job_id = d.job_id AND e.unit = d.unit AND e.operator_id = $3))
ORDER BY d.id LIMIT 10;

-- name: payouts_beginning
-- Payouts, of their operators.
SELECT id FROM payouts WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR operator_id = $3) ORDER BY id LIMIT 10;

-- name: batches_beginning
-- Batches of payouts, of the operators who are paid in them.
SELECT DISTINCT batch_id AS id FROM payouts
WHERE batch_id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR operator_id = $3) ORDER BY batch_id LIMIT 10;

-- name: invitations_beginning
-- Invitations, which only admins see.
SELECT id FROM invitations WHERE id BETWEEN $1 AND $2 AND $3::uuid IS NULL ORDER BY id LIMIT 10;
