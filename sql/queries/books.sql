-- The Ledger's reads and writes. Rows are locked in this order: accounts, holds, jobs, units, each by key. The writes
-- of a batch are combined into one statement: sql/statement_batch.py.

-- name: books_accounts_make
-- Create accounts when they are first needed. Debts are balances below zero.
INSERT INTO accounts (name, may_overdraw)
SELECT name, name LIKE 'debt:%' FROM unnest($1::text[]) AS n (name) ON CONFLICT (name) DO NOTHING;

-- name: books_accounts_lock
-- Lock accounts, so that changes of balances are serialised: by name ($1), by reference of their holds ($2), by job
-- of their holds ($3), and by unit ($5, $6), including all tiles of its frame. A hold's account and a job's units
-- never change. Of each account in $4 the batch gets one shard, under the account's name: the first that is not
-- locked, or the account itself if all are locked.
WITH shards AS MATERIALIZED (
    SELECT w.id AS account, t.id
    FROM accounts w
    CROSS JOIN LATERAL (SELECT id FROM accounts WHERE shard_of = w.id
                        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) t
    WHERE w.name = ANY($4::text[])
)
SELECT a.id, CASE WHEN a.shard_of IS NULL THEN a.name ELSE split_part(a.name, ':', 1) END AS name,
       a.balance, a.held, a.version, a.may_overdraw, a.debt, a.is_closed
FROM accounts a
WHERE a.id IN (
    SELECT id FROM accounts WHERE name = ANY($1::text[])
    UNION SELECT account_id FROM holds WHERE reference = ANY($2::text[])
    UNION SELECT h.account_id FROM units u
          CROSS JOIN LATERAL (SELECT account_id FROM holds
                              WHERE reference = 'job:' || u.job_id || ':' || u.number LIMIT 1) h
          WHERE u.job_id = ANY($3::uuid[])
    UNION SELECT h.account_id FROM unnest($5::uuid[], $6::integer[]) AS k (job_id, number)
          CROSS JOIN LATERAL (SELECT f.feeds FROM units f
                              WHERE f.job_id = k.job_id AND f.number = k.number LIMIT 1) x
          CROSS JOIN LATERAL (SELECT f.number FROM units f
                              WHERE f.job_id = k.job_id AND f.feeds = x.feeds LIMIT 100) t
          CROSS JOIN LATERAL (SELECT account_id FROM holds
                              WHERE reference = 'job:' || k.job_id || ':' || t.number LIMIT 1) h
    UNION SELECT coalesce(t.id, w.id) FROM accounts w LEFT JOIN shards t ON t.account = w.id
          WHERE w.name = ANY($4::text[]))
ORDER BY a.id FOR UPDATE OF a;

-- name: books_rows_lock
-- Read what the account locks protect, in one row: holds (open and closed); jobs, by the columns of JobRow; units and
-- the units they feed; all units and holds of whole jobs ($2), and of frames if one of their tiles ($11, $12) may
-- fail; idempotency keys; earlier transfers by subject, kind and
-- reference ($8 to $10), with their accounts; and the time now that the locks are held. The lookups are separate
-- steps, because a plan made while the tables were small must not scan them once they are large.
WITH posted AS MATERIALIZED (
    SELECT x.t FROM unnest($8::bigint[], $9::text[], $10::text[]) AS k (subject, kind, reference)
    CROSS JOIN LATERAL (SELECT t FROM transfers t
                        WHERE t.subject = k.subject AND t.kind = k.kind
                          AND t.reference = k.reference LIMIT 1) x
), tiles AS MATERIALIZED (
    SELECT k.job_id, t.number FROM unnest($11::uuid[], $12::integer[]) AS k (job_id, number)
    CROSS JOIN LATERAL (SELECT f.feeds FROM units f
                        WHERE f.job_id = k.job_id AND f.number = k.number LIMIT 1) x
    CROSS JOIN LATERAL (SELECT f.number FROM units f
                        WHERE f.job_id = k.job_id AND f.feeds = x.feeds LIMIT 100) t
), held AS MATERIALIZED (
    SELECT n.reference FROM (
        SELECT unnest($1::text[])
        UNION SELECT 'job:' || t.job_id || ':' || t.number FROM tiles t
        UNION SELECT 'job:' || w.job_id || ':' || w.number FROM units w
              WHERE w.job_id = ANY($2::uuid[])) n (reference)
    ORDER BY n.reference
), wanted AS MATERIALIZED (
    SELECT n.job_id, n.number FROM (
        SELECT * FROM unnest($4::uuid[], $5::integer[])
        UNION SELECT k.job_id, x.feeds FROM unnest($4::uuid[], $5::integer[]) AS k (job_id, number)
              CROSS JOIN LATERAL (SELECT f.feeds FROM units f
                                  WHERE f.job_id = k.job_id AND f.number = k.number LIMIT 1) x
              WHERE x.feeds IS NOT NULL
        UNION SELECT * FROM tiles
        UNION SELECT w.job_id, w.number FROM units w WHERE w.job_id = ANY($2::uuid[])) n (job_id, number)
    ORDER BY n.job_id, n.number
)
SELECT ARRAY(SELECT x.h FROM held CROSS JOIN LATERAL (
                 SELECT h FROM holds h WHERE h.reference = held.reference FOR UPDATE) x) AS holds,
       ARRAY(SELECT ROW(j.id, j.user_id, j.job_type, j.status, j.queued_at, j.updated_at, j.node_id,
                        j.retry_count, j.result_ref, j.error_message, j.dispatched_at, j.completed_at,
                        j.open_units, j.failed_units, j.cancelled_units, j.unit_error, j.units, j.priority,
                        j.cap, j.committed, j.charged, j.paused, j.reached, j.vram_used, j.avoid)
             FROM jobs j WHERE j.id = ANY($3::uuid[]) ORDER BY j.id FOR UPDATE) AS jobs,
       ARRAY(SELECT x.u FROM wanted CROSS JOIN LATERAL (
                 SELECT u FROM units u
                 WHERE u.job_id = wanted.job_id AND u.number = wanted.number FOR UPDATE) x) AS units,
       ARRAY(SELECT i FROM unnest($6::uuid[], $7::text[]) AS k (user_id, key)
             JOIN idempotency_keys i ON i.user_id = k.user_id AND i.key = k.key) AS keys,
       ARRAY(SELECT t FROM posted) AS posted,
       ARRAY(SELECT a FROM accounts a
             WHERE a.id IN (SELECT (t).debit FROM posted UNION SELECT (t).credit FROM posted))
           AS posted_accounts,
       clock_timestamp() AS now;

-- The queries books_read_… read the rows of a batch without locks, each with the transaction that wrote it (xmin). They
-- are combined into one statement; each has one column.

-- name: books_read_accounts
-- Accounts by name.
SELECT ROW(a.id, a.name, a.balance, a.held, a.version, a.may_overdraw, a.debt, a.is_closed, a.xmin)
FROM accounts a WHERE a.name = ANY($1::text[]);

-- name: books_read_shards
-- Shard number $2 of each of these accounts, under the account's name.
SELECT ROW(t.id, w.name, t.balance, t.held, t.version, t.may_overdraw, t.debt, t.is_closed, t.xmin)
FROM accounts w
CROSS JOIN LATERAL (SELECT s.*, s.xmin FROM accounts s WHERE s.shard_of = w.id
                    ORDER BY s.id OFFSET $2::integer LIMIT 1) t
WHERE w.name = ANY($1::text[]);

-- name: books_read_owners
-- The accounts of holds ($1) and of all holds of jobs ($2).
SELECT ROW(a.id, a.name, a.balance, a.held, a.version, a.may_overdraw, a.debt, a.is_closed, a.xmin)
FROM accounts a
WHERE a.id IN (
    SELECT account_id FROM holds WHERE reference = ANY($1::text[])
    UNION SELECT h.account_id FROM units u
          JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
          WHERE u.job_id = ANY($2::uuid[]));

-- name: books_read_holds
-- Holds by reference ($1), and all holds of jobs ($2).
SELECT ROW(h.id, h.account_id, h.reference, h.amount, h.created_at, h.settled, h.state, h.closed_at, h.xmin)
FROM (SELECT unnest($1::text[])
      UNION SELECT 'job:' || u.job_id || ':' || u.number FROM units u WHERE u.job_id = ANY($2::uuid[])) n (reference)
CROSS JOIN LATERAL (SELECT h.*, h.xmin FROM holds h WHERE h.reference = n.reference) h;

-- name: books_read_jobs
-- Jobs, by the columns of JobRow.
SELECT ROW(j.id, j.user_id, j.job_type, j.status, j.queued_at, j.updated_at, j.node_id,
           j.retry_count, j.result_ref, j.error_message, j.dispatched_at, j.completed_at,
           j.open_units, j.failed_units, j.cancelled_units, j.unit_error, j.units, j.priority,
           j.cap, j.committed, j.charged, j.paused, j.reached, j.vram_used, j.avoid, j.xmin)
FROM jobs j WHERE j.id = ANY($1::uuid[]);

-- name: books_read_units
-- Units ($1, $2) and the units that they feed, and all units of jobs ($3). Each is looked up: a plan made while the
-- table was small must not read it from end to end once it is large.
SELECT ROW(x.u, x.xmin)
FROM (SELECT * FROM unnest($1::uuid[], $2::integer[])
      UNION SELECT k.job_id, x.feeds FROM unnest($1::uuid[], $2::integer[]) AS k (job_id, number)
            CROSS JOIN LATERAL (SELECT f.feeds FROM units f
                                WHERE f.job_id = k.job_id AND f.number = k.number LIMIT 1) x
            WHERE x.feeds IS NOT NULL
      UNION SELECT w.job_id, w.number FROM units w WHERE w.job_id = ANY($3::uuid[])) n (job_id, number)
CROSS JOIN LATERAL (SELECT u, u.xmin FROM units u WHERE u.job_id = n.job_id AND u.number = n.number LIMIT 1) x;

-- name: books_read_keys
-- Idempotency keys.
SELECT i FROM unnest($1::uuid[], $2::text[]) AS k (user_id, key)
JOIN idempotency_keys i ON i.user_id = k.user_id AND i.key = k.key;

-- name: books_read_transfers
-- Earlier transfers by the name of their subject ($1), kind and reference, with the names of both accounts.
SELECT ROW(x.t, CASE WHEN d.shard_of IS NULL THEN d.name ELSE split_part(d.name, ':', 1) END,
           CASE WHEN c.shard_of IS NULL THEN c.name ELSE split_part(c.name, ':', 1) END)
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (subject, kind, reference)
CROSS JOIN LATERAL (SELECT id FROM accounts WHERE name = k.subject LIMIT 1) a
CROSS JOIN LATERAL (SELECT t FROM transfers t
                    WHERE t.subject = a.id AND t.kind = k.kind AND t.reference = k.reference LIMIT 1) x
JOIN accounts d ON d.id = (x.t).debit
JOIN accounts c ON c.id = (x.t).credit;

-- name: books_accounts_unchanged
-- Lock all accounts that were read without a lock, unless they have changed since. An account that another transaction
-- has locked is not waited for: a batch that takes locks may find another shard.
SELECT FROM accounts a JOIN unnest($1::bigint[], $2::xid[]) AS n (id, seen) ON a.id = n.id
WHERE a.xmin = n.seen ORDER BY a.id FOR NO KEY UPDATE OF a NOWAIT;

-- name: books_holds_unchanged
-- Lock holds that were read without a lock and are not written, unless they have changed since.
SELECT FROM holds h JOIN unnest($1::text[], $2::xid[]) AS n (reference, seen) ON h.reference = n.reference
WHERE h.xmin = n.seen FOR SHARE OF h;

-- name: books_jobs_unchanged
-- The same for jobs.
SELECT FROM jobs j JOIN unnest($1::uuid[], $2::xid[]) AS n (id, seen) ON j.id = n.id
WHERE j.xmin = n.seen FOR SHARE OF j;

-- name: books_units_unchanged
-- The same for units.
SELECT FROM units u
JOIN unnest($1::uuid[], $2::integer[], $3::xid[]) AS n (job_id, number, seen)
  ON u.job_id = n.job_id AND u.number = n.number
WHERE u.xmin = n.seen FOR SHARE OF u;

-- name: books_batch_last
-- The number of a Ledger's newest batch. The update waits for a batch that is being written.
INSERT INTO ledger_batches (ledger, batch) VALUES ($1, 0)
ON CONFLICT (ledger) DO UPDATE SET batch = ledger_batches.batch RETURNING batch;

-- name: books_batch_write
-- Record a batch as the Ledger's newest. A batch that arrives late, after a newer one, is not written.
INSERT INTO ledger_batches AS b (ledger, batch) SELECT * FROM unnest($1::uuid[], $2::bigint[])
ON CONFLICT (ledger) DO UPDATE SET batch = excluded.batch, written_at = now() WHERE b.batch < excluded.batch;

-- name: books_transfer_ids
-- The numbers of transfers, by their keys.
SELECT key, id FROM transfers WHERE key = ANY($1::uuid[]);

-- name: books_accounts_write
-- Update balances as decided.
UPDATE accounts a SET balance = n.balance, held = n.held, version = n.version
FROM unnest($1::changed_account[]) AS n
WHERE a.id = n.id AND a.version = n.before;

-- name: books_jobs_insert
-- Insert jobs.
INSERT INTO jobs (name, payload_ref, price, created_at, price_number, retry_of, plan, id, user_id, job_type,
                  status, queued_at, updated_at, node_id, retry_count, result_ref, error_message,
                  dispatched_at, completed_at, open_units, failed_units, cancelled_units, unit_error, units,
                  priority, cap, committed, charged, paused, reached, vram_used, avoid)
SELECT name, payload_ref, price, created_at, price_number, retry_of, plan::jsonb, id, user_id, job_type, status,
       queued_at, updated_at, node_id, retry_count, result_ref, error_message, dispatched_at, completed_at,
       open_units, failed_units, cancelled_units, unit_error, units, priority, cap, committed, charged,
       paused, reached, vram_used, avoid
FROM unnest($1::written_job[]);

-- name: books_jobs_update
-- Update jobs. In this and other updates, `seen` is the transaction that wrote the row that was read without a lock, or
-- null: if another transaction has written the row since, it is not updated.
UPDATE jobs j SET status = n.status, updated_at = n.updated_at, node_id = n.node_id,
                  retry_count = n.retry_count, result_ref = n.result_ref,
                  error_message = n.error_message, dispatched_at = n.dispatched_at,
                  completed_at = n.completed_at, open_units = n.open_units,
                  failed_units = n.failed_units, cancelled_units = n.cancelled_units,
                  unit_error = n.unit_error, queued_at = n.queued_at, priority = n.priority,
                  cap = n.cap, committed = n.committed, charged = n.charged, paused = n.paused,
                  reached = n.reached, vram_used = n.vram_used, avoid = n.avoid,
                  touched = pg_current_xact_id()::text::bigint
FROM unnest($1::written_job[]) AS n
WHERE j.id = n.id AND (n.seen IS NULL OR j.xmin = n.seen);

-- name: books_units_queue
-- Insert waiting units; all units of a new job at once.
INSERT INTO units (job_id, number, price, state, place, frames, tile, feeds, missing)
SELECT job_id, number, price, 'QUEUED', place, frames, tile, feeds, missing
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::integer[], $5::text[], $6::integer[],
            $7::integer[], $8::integer[])
     AS n (job_id, number, price, place, frames, tile, feeds, missing);

-- name: books_units_insert
-- Insert units that the batch has already advanced.
INSERT INTO units (job_id, number, price, place, frames, tile, feeds, state, attempt, node_id, assigned_at, lease_until,
                   not_before, failures, avoid, result_key, result_sha256, result_size, verified,
                   error_class, error_code, error_message, started_at, ended_at, missing, copy_attempt,
                   copy_node_id, copy_assigned_at, copy_started_at, copy_lease_until, copy_delivered_at, unsent, faults,
                   needs_memory, needs_opengl, needs_vram, needs_scripts, unsendable_to)
SELECT job_id, number, price, place, frames, tile, feeds, state, attempt, node_id, assigned_at,
       lease_until, not_before, failures, avoid, result_key, result_sha256, result_size,
       verified, error_class, error_code, error_message, started_at, ended_at, missing, copy_attempt, copy_node_id,
       copy_assigned_at, copy_started_at, copy_lease_until, copy_delivered_at, unsent, faults, needs_memory,
       needs_opengl, needs_vram, needs_scripts, unsendable_to
FROM unnest($1::written_unit[]);

-- name: books_units_update
-- Update units.
UPDATE units u SET state = n.state, attempt = n.attempt, node_id = n.node_id,
                   assigned_at = n.assigned_at, lease_until = n.lease_until,
                   not_before = n.not_before, failures = n.failures, avoid = n.avoid,
                   result_key = n.result_key, result_sha256 = n.result_sha256,
                   result_size = n.result_size, verified = n.verified,
                   error_class = n.error_class, error_code = n.error_code,
                   error_message = n.error_message,
                   started_at = n.started_at, ended_at = n.ended_at, missing = n.missing,
                   copy_attempt = n.copy_attempt, copy_node_id = n.copy_node_id,
                   copy_assigned_at = n.copy_assigned_at, copy_started_at = n.copy_started_at,
                   copy_lease_until = n.copy_lease_until,
                   copy_delivered_at = n.copy_delivered_at, unsent = n.unsent,
                   faults = n.faults, needs_memory = n.needs_memory, needs_opengl = n.needs_opengl,
                   needs_vram = n.needs_vram, needs_scripts = n.needs_scripts,
                   unsendable_to = n.unsendable_to, price = n.price
FROM unnest($1::written_unit[]) AS n
WHERE u.job_id = n.job_id AND u.number = n.number AND (n.seen IS NULL OR u.xmin = n.seen);

-- name: books_holds_insert
-- Insert holds.
INSERT INTO holds (id, account_id, reference, amount, created_at, settled, state, closed_at)
SELECT id, account_id, reference, amount, created_at, settled, state, closed_at FROM unnest($1::written_hold[]);

-- name: books_holds_update
-- Update holds that are settled, released, or reopened for a retry; a settled hold stays settled. COALESCE keeps the
-- planner from starting with all open holds, which are few at planning time and many later.
UPDATE holds h SET state = n.state, settled = n.settled, closed_at = n.closed_at,
                   created_at = n.created_at
FROM unnest($1::written_hold[]) AS n
WHERE h.reference = n.reference AND coalesce(h.state <> 'SETTLED', false) AND (n.seen IS NULL OR h.xmin = n.seen);

-- name: books_transfers_insert
-- Insert transfers, all with the same time; the sequence numbers them.
INSERT INTO transfers (debit, credit, subject, amount, kind, reference, description, key, debit_version,
                       credit_version, debit_after, credit_after, receipt, created_at)
SELECT n.*, ($2::timestamptz[])[1]
FROM unnest($1::new_transfer[]) AS n;

-- name: books_keys_insert
-- Insert answers of idempotency keys.
INSERT INTO idempotency_keys (user_id, key, request, answer, created_at)
SELECT user_id, key, request, answer::jsonb, created_at
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
     AS n (user_id, key, request, answer, created_at);

-- name: books_acts_insert
-- Insert admins' actions on credits into the audit log.
INSERT INTO audit (at, actor_id, actor, act, target, reason, request_id, details)
SELECT at, actor_id, actor, act, target, reason, request_id, details::jsonb
FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[])
     AS n (at, actor_id, actor, act, target, reason, request_id, details);
