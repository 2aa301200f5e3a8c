-- Mails to send, and those that were sent a short time ago.

-- name: mail_insert
-- Insert a mail to a user, unless they got $5 of this kind since $4, or $6 mails wait. Links to verify an address are
-- counted with those to a deleted account with the same address; other mails go only to verified addresses.
INSERT INTO mails (id, kind, user_id, due_at, created_at)
SELECT $1, $2, $3, $7, $7
FROM users u
WHERE u.id = $3 AND ($2 = 'address.verify' OR u.verified_at IS NOT NULL)
  AND (SELECT count(*) FROM mails WHERE user_id = $3 AND kind = $2 AND created_at > $4)
    + (SELECT count(*) FROM deleted_addresses d CROSS JOIN unnest(d.mailed_at) AS at
       WHERE $2 = 'address.verify' AND d.sha256 = sha256(convert_to(lower(u.email), 'UTF8')) AND at > $4) < $5
  AND (SELECT count(*) FROM (SELECT FROM mails WHERE state = 'PENDING' LIMIT $6) waiting) < $6
RETURNING id;

-- name: mails_lately
-- Count the mails of a kind that a user got since $3, counted as for mail_insert.
SELECT (SELECT count(*) FROM mails WHERE user_id = $1 AND kind = $2 AND created_at > $3)
     + (SELECT count(*) FROM users u
        JOIN deleted_addresses d ON d.sha256 = sha256(convert_to(lower(u.email), 'UTF8'))
        CROSS JOIN unnest(d.mailed_at) AS at
        WHERE u.id = $1 AND $2 = 'address.verify' AND at > $3) AS count;

-- name: mail_request
-- Insert a mail for the user of an address, whether there is one or not, unless $4 such mails wait.
INSERT INTO mails (id, kind, address, due_at, created_at)
SELECT $1, 'password.reset', $2, $3, $3
WHERE (SELECT count(*) FROM (SELECT FROM mails WHERE address IS NOT NULL LIMIT $4) asked) < $4
RETURNING id;

-- name: mails_claim
-- Claim until $2 up to $3 mails that are due by $1, longest waiting first; at $2 the claims expire. With the active
-- user to whom each goes: no user if the address has none, or the user has switched such mails off
-- and the mail's job does not ask for it.
WITH due AS (
    SELECT id FROM mails WHERE state = 'PENDING' AND due_at <= $1
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE mails m SET due_at = $2, tries = m.tries + 1, tried_at = $1
    FROM due WHERE m.id = due.id
    RETURNING m.id, m.kind, m.user_id, m.address, m.tries, m.created_at, m.about, m.is_last, m.is_wanted
)
SELECT c.id, c.kind, c.tries, c.created_at, c.address IS NOT NULL AS asked, u.id AS user_id, u.email, c.about, c.is_last
FROM claimed c
LEFT JOIN LATERAL (
    SELECT id, email FROM users WHERE id = c.user_id AND is_active AND (c.is_wanted OR c.kind <> ALL (mails_off))
    UNION ALL
    SELECT id, email FROM users WHERE lower(email) = lower(c.address) AND is_active
) u ON true
ORDER BY c.created_at, c.id;

-- name: mail_user_lock
-- Lock an active user, so that no other transaction counts their mails or changes their password meanwhile.
SELECT id FROM users WHERE id = $1 AND is_active FOR UPDATE;

-- name: mail_adopt
-- Assign a mail that somebody asked for to the user of the address, unless the user got $4 such mails since $3, or $5
-- mails to users wait.
UPDATE mails m SET user_id = $2, address = NULL
WHERE m.id = $1 AND m.address IS NOT NULL
  AND (SELECT count(*) FROM mails o WHERE o.user_id = $2 AND o.kind = m.kind AND o.created_at > $3) < $4
  AND (SELECT count(*) FROM (SELECT FROM mails o WHERE o.state = 'PENDING' AND o.user_id IS NOT NULL LIMIT $5) w) < $5
RETURNING m.id;

-- name: mail_drop
-- Delete a mail without a recipient.
DELETE FROM mails WHERE id = $1;

-- name: mails_settle
-- Store outcomes of tries: a final state, or the time of the next try. If another gateway has tried again since, its
-- outcome is kept.
UPDATE mails m SET state = n.state, due_at = coalesce(n.due_at, m.due_at), error = n.error, ended_at = n.ended_at
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[])
     AS n (id, tries, state, due_at, error, ended_at)
WHERE m.id = n.id AND m.tries = n.tries AND m.state = 'PENDING';

-- name: mails_waiting
-- Count mails that still have to be sent, or sent again.
SELECT count(*) FROM mails WHERE state = 'PENDING';

-- name: mails_health
-- How long the oldest mail has been due, and the newest mail that was sent, and that failed, with the error.
SELECT (SELECT min(due_at) FROM mails WHERE state = 'PENDING') AS due_at,
       (SELECT max(ended_at) FROM mails WHERE state = 'SENT') AS sent_at,
       f.ended_at AS failed_at, coalesce(f.error, '') AS error
FROM (SELECT) one
LEFT JOIN LATERAL (SELECT ended_at, error FROM mails WHERE state = 'FAILED' AND ended_at IS NOT NULL
                   ORDER BY ended_at DESC LIMIT 1) f ON true;

-- name: mails_purge
-- Delete mails that ended before $1, at most $2 at once.
WITH old AS (SELECT id FROM mails WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)
DELETE FROM mails m USING old WHERE m.id = old.id;

-- name: mailer_seen
-- Note that a Mailer runs, so that triggers write mails; locks the row until the transaction ends.
INSERT INTO mailer_life (seen_at) VALUES (now()) ON CONFLICT (one) DO UPDATE SET seen_at = now();

-- name: mails_of_silent_nodes
-- Write mails to the owners of active nodes that have been silent for $1 to $2 seconds, once per silence.
SELECT insert_notices(array_agg('node.offline'::text), array_agg(n.owner_id), array_agg(n.id))
FROM nodes n
WHERE n.status = 'OFFLINE' AND n.standing = 'ACTIVE' AND n.owner_id IS NOT NULL AND NOT n.is_embedded
  AND n.seen_at < now() - make_interval(secs => $1) AND n.seen_at > now() - make_interval(secs => $2)
  AND NOT EXISTS (SELECT FROM mails m WHERE m.user_id = n.owner_id AND m.kind = 'node.offline' AND m.about = n.id
                                        AND m.created_at > n.seen_at)
HAVING count(*) > 0;

-- name: mail_about_security
-- Write a mail of the kind $2 to a user who has verified their address, if mail is sent.
SELECT insert_notices(ARRAY[$2::text], ARRAY[$1::uuid], ARRAY[NULL::uuid]);

-- name: mail_password_set
-- Write a mail to a user whose password an admin has set, if mail is sent.
SELECT insert_notices(ARRAY['password.set'], ARRAY[$1::uuid], ARRAY[NULL::uuid]);

-- name: mail_about_job
-- What a mail says of a job.
SELECT j.id AS job_id, j.name AS job_name, j.units, j.failed_units AS failed, j.charged AS amount, j.cap,
       coalesce(u.tile IS NULL AND u.frames ~ '^-?[0-9]+$', false) AS has_frames,
       j.plan -> 'spec' ->> 'notify' IS NOT NULL AS is_asked
FROM jobs j
LEFT JOIN units u ON u.job_id = j.id AND u.number = 0
WHERE j.id = $1;

-- name: mail_about_node
-- What a mail to a node's owner says of it.
SELECT id AS node_id, name, seen_at AS at FROM nodes WHERE id = $1;

-- name: mail_about_failing_node
-- What a mail to the owner of a node that fails often says of it; no row if it no longer does.
SELECT id AS node_id, name, failing_since AS at, failing_code AS state FROM nodes
WHERE id = $1 AND failing_since IS NOT NULL;

-- name: mail_about_dispute
-- What a mail says of a dispute; no row if it was replaced by another one.
SELECT d.job_id, j.name AS job_name, d.unit, CASE WHEN u.tile IS NULL THEN u.frames END AS frames, d.user_id,
       d.charge AS amount, d.state, e.node_id, coalesce(n.name, '') AS name,
       e.amount AS share
FROM disputes d
JOIN jobs j ON j.id = d.job_id
JOIN units u ON u.job_id = d.job_id AND u.number = d.unit
LEFT JOIN earnings e ON e.job_id = d.job_id AND e.unit = d.unit
LEFT JOIN nodes n ON n.id = e.node_id
WHERE d.id = $1;

-- name: mail_about_payout
-- What a mail says of a payout.
SELECT amount, units, state FROM payouts WHERE id = $1;

-- name: mails_erase
-- Delete the mails of a user.
DELETE FROM mails WHERE user_id = $1;

-- name: mails_erase_asked
-- Delete the mails that wait for the address of a user.
DELETE FROM mails m USING users u WHERE u.id = $1 AND lower(m.address) = lower(u.email);
