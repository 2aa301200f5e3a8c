-- Which gateway leads: advisory locks of a connection, which end with it; and what the leading auditor found.

-- name: leadership_take
-- Take the lead in the role of lock $1, where nobody has it.
SELECT pg_try_advisory_lock($1::bigint) AS leads;

-- name: leadership_give_up
-- Leave the lead in the role of lock $1 to others.
SELECT pg_advisory_unlock($1::bigint) AS gave_up;

-- name: leadership_lasts
-- The server ends this connection, and its locks, when nothing is said over it for $1 milliseconds.
SELECT set_config('idle_session_timeout', $1, false);

-- name: last_audit_note
-- What was found: at $1, of everything at $2.
INSERT INTO last_audit (at, whole, findings, noted_at) VALUES ($1, $2, $3::jsonb, now())
ON CONFLICT (one) DO UPDATE SET at = $1, whole = $2, findings = $3::jsonb, noted_at = now();

-- name: last_audit
-- What the gateway that audits found last.
SELECT at, whole, findings, noted_at FROM last_audit;
