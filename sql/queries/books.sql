-- The Ledger's reads and writes. Lock order: accounts, holds, jobs, units, each by id. What is written
-- goes as one statement made of those below: sql/together.py.

-- name: books_accounts_make
-- Accounts come into being when they are first needed. Debts stand below zero.
INSERT INTO accounts (name, may_overdraw)
SELECT name, name LIKE 'debt:%' FROM unnest($1::text[]) AS n (name) ON CONFLICT (name) DO NOTHING;

-- name: books_accounts_lock
-- Whoever wants to change a balance waits here: accounts by name ($1), of holds by reference ($2),
-- and of the holds of whole jobs ($3). A hold's account and a job's units never change.
SELECT id, name, balance, held, version, may_overdraw, debt FROM accounts
WHERE id IN (
    SELECT id FROM accounts WHERE name = ANY($1::text[])
    UNION SELECT account_id FROM holds WHERE reference = ANY($2::text[])
    UNION SELECT h.account_id FROM units u
          JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
          WHERE u.job_id = ANY($3::uuid[]))
ORDER BY id FOR UPDATE;

-- name: books_rows_lock
-- What the accounts' locks let us see, in one row: holds (open and closed ones), jobs, units, all
-- units and holds of whole jobs ($2), idempotency keys, and numbers for $8 transfers; gaps in those do
-- no harm.
SELECT ARRAY(SELECT h FROM holds h
             WHERE h.reference IN (
                 SELECT unnest($1::text[])
                 UNION SELECT 'job:' || u.job_id || ':' || u.number FROM units u
                       WHERE u.job_id = ANY($2::uuid[]))
             ORDER BY h.id FOR UPDATE OF h) AS holds,
       ARRAY(SELECT j FROM jobs j WHERE j.id = ANY($3::uuid[]) ORDER BY j.id FOR UPDATE) AS jobs,
       ARRAY(SELECT u FROM units u
             WHERE (u.job_id, u.number) IN (
                 SELECT * FROM unnest($4::uuid[], $5::integer[])
                 UNION SELECT w.job_id, w.number FROM units w WHERE w.job_id = ANY($2::uuid[]))
             ORDER BY u.job_id, u.number FOR UPDATE OF u) AS units,
       ARRAY(SELECT i FROM unnest($6::uuid[], $7::text[]) AS k (user_id, key)
             JOIN idempotency_keys i ON i.user_id = k.user_id AND i.key = k.key) AS keys,
       ARRAY(SELECT nextval('transfers_id_seq') FROM generate_series(1, $8::integer)) AS transfers,
       ARRAY(SELECT nextval('entries_entry_id_seq')
             FROM generate_series(1, 2 * $8::integer)) AS entries;

-- name: books_transfers_find
-- What was posted under these references before, with the subject's entry.
SELECT t.id, d.name AS debit, c.name AS credit, s.name AS subject, t.amount, t.kind, t.reference,
       t.description, t.created_at, e.entry_id, e.id AS entry_uuid, e.version,
       e.amount AS entry_amount, e.before, e.after
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (subject, kind, reference)
JOIN accounts s ON s.name = k.subject
JOIN transfers t ON t.subject = s.id AND t.kind = k.kind AND t.reference = k.reference
JOIN accounts d ON d.id = t.debit
JOIN accounts c ON c.id = t.credit
JOIN entries e ON e.transfer_id = t.id AND e.account_id = t.subject;

-- name: books_accounts_write
-- Balances as decided under the lock.
UPDATE accounts a SET balance = n.balance, held = n.held, version = n.version
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
     AS n (id, balance, held, version)
WHERE a.id = n.id;

-- name: books_jobs_insert
-- New jobs.
INSERT INTO jobs (id, user_id, job_type, payload_ref, params, status, price, created_at, queued_at,
                  updated_at, node_id, retry_count, result_ref, error_message, dispatched_at,
                  completed_at, open_units, failed_units, cancelled_units, unit_error,
                  price_number)
SELECT id, user_id, job_type, payload_ref, params::jsonb, status, price, created_at, queued_at,
       updated_at, node_id, retry_count, result_ref, error_message, dispatched_at, completed_at,
       open_units, failed_units, cancelled_units, unit_error, price_number
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::uuid[], $12::integer[],
            $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[], $17::integer[],
            $18::integer[], $19::integer[], $20::text[], $21::bigint[])
     AS n (id, user_id, job_type, payload_ref, params, status, price, created_at, queued_at,
           updated_at, node_id, retry_count, result_ref, error_message, dispatched_at, completed_at,
           open_units, failed_units, cancelled_units, unit_error, price_number);

-- name: books_jobs_update
-- What changes of a job.
UPDATE jobs j SET status = n.status, updated_at = n.updated_at, node_id = n.node_id,
                  retry_count = n.retry_count, result_ref = n.result_ref,
                  error_message = n.error_message, dispatched_at = n.dispatched_at,
                  completed_at = n.completed_at, open_units = n.open_units,
                  failed_units = n.failed_units, cancelled_units = n.cancelled_units,
                  unit_error = n.unit_error
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::integer[], $6::text[],
            $7::text[], $8::timestamptz[], $9::timestamptz[], $10::integer[], $11::integer[],
            $12::integer[], $13::text[])
     AS n (id, status, updated_at, node_id, retry_count, result_ref, error_message, dispatched_at,
           completed_at, open_units, failed_units, cancelled_units, unit_error)
WHERE j.id = n.id;

-- name: books_units_insert
-- New units; one may have come far within its first batch.
INSERT INTO units (job_id, number, price, state, attempt, node_id, assigned_at, lease_until,
                   not_before, failures, avoid, result_key, result_sha256, result_size, verified,
                   error_class, error_message, started_at, ended_at)
SELECT job_id, number, price, state, attempt, node_id, assigned_at, lease_until, not_before,
       failures, avoid::uuid[], result_key, result_sha256, result_size, verified, error_class,
       error_message, started_at, ended_at
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::integer[], $6::uuid[],
            $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::integer[], $11::text[],
            $12::text[], $13::bytea[], $14::bigint[], $15::boolean[], $16::text[], $17::text[],
            $18::timestamptz[], $19::timestamptz[])
     AS n (job_id, number, price, state, attempt, node_id, assigned_at, lease_until, not_before,
           failures, avoid, result_key, result_sha256, result_size, verified, error_class,
           error_message, started_at, ended_at);

-- name: books_units_update
-- What changes of a unit.
UPDATE units u SET state = n.state, attempt = n.attempt, node_id = n.node_id,
                   assigned_at = n.assigned_at, lease_until = n.lease_until,
                   not_before = n.not_before, failures = n.failures, avoid = n.avoid::uuid[],
                   result_key = n.result_key, result_sha256 = n.result_sha256,
                   result_size = n.result_size, verified = n.verified,
                   error_class = n.error_class, error_message = n.error_message,
                   started_at = n.started_at, ended_at = n.ended_at
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::uuid[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::text[], $11::text[],
            $12::bytea[], $13::bigint[], $14::boolean[], $15::text[], $16::text[],
            $17::timestamptz[], $18::timestamptz[])
     AS n (job_id, number, state, attempt, node_id, assigned_at, lease_until, not_before, failures,
           avoid, result_key, result_sha256, result_size, verified, error_class, error_message,
           started_at, ended_at)
WHERE u.job_id = n.job_id AND u.number = n.number;

-- name: books_holds_insert
-- New holds.
INSERT INTO holds (id, account_id, reference, amount, created_at, settled, state, closed_at)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[],
                     $6::bigint[], $7::text[], $8::timestamptz[]);

-- name: books_holds_update
-- Holds that are settled or released; the guard makes it happen once. In COALESCE it is no reason
-- to begin with all open holds, which are few while it is planned and many later.
UPDATE holds h SET state = n.state, settled = n.settled, closed_at = n.closed_at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[])
     AS n (reference, state, settled, closed_at)
WHERE h.reference = n.reference AND coalesce(h.state = 'OPEN', false);

-- name: books_transfers_insert
-- New transfers.
INSERT INTO transfers (id, debit, credit, subject, amount, kind, reference, description, created_at)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::text[], $7::text[], $8::text[], $9::timestamptz[]);

-- name: books_entries_insert
-- Two entries for each transfer.
INSERT INTO entries (entry_id, id, transfer_id, account_id, version, amount, before, after,
                     created_at)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::bigint[], $7::bigint[], $8::bigint[], $9::timestamptz[]);

-- name: books_keys_insert
-- Answers to be given again.
INSERT INTO idempotency_keys (user_id, key, request, answer, created_at)
SELECT user_id, key, request, answer::jsonb, created_at
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
     AS n (user_id, key, request, answer, created_at);

-- name: books_acts_insert
-- What admins did with credits, for the audit.
INSERT INTO audit (at, actor_id, actor, act, target, reason, request_id, details)
SELECT at, actor_id, actor, act, target, reason, request_id, details::jsonb
FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[])
     AS n (at, actor_id, actor, act, target, reason, request_id, details);
