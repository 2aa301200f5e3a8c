-- Leadership of gateways: advisory locks, which end with their connection; and the latest findings of the auditing
-- gateway.

-- name: leadership_take
-- Take the role of lock $1 if it is free.
SELECT pg_try_advisory_lock($1::bigint) AS leads;

-- name: leadership_give_up
-- Give up the role of lock $1.
SELECT pg_advisory_unlock($1::bigint) AS gave_up;

-- name: leadership_lasts
-- Make the server end this connection, and its locks, after $1 milliseconds without a statement. Servers before 14 do
-- not support it.
SELECT set_config('idle_session_timeout', $1, false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL;

-- name: last_audit_note
-- Store findings; $1: when the last audit began, $2: when the last audit of all rows began.
INSERT INTO last_audit (at, whole, findings, noted_at) VALUES ($1, $2, $3::jsonb, now())
ON CONFLICT (one) DO UPDATE SET at = $1, whole = $2, findings = $3::jsonb, noted_at = now();

-- name: last_audit
-- The last findings of the auditing gateway.
SELECT at, whole, findings, noted_at FROM last_audit;
