-- Statements of users' accounts, and what users spend on work. Amounts are units of money; days are UTC.

-- name: account_at
-- The balance of a user's account at a time, and the number of the entry that led to it. Each entry lies on one side
-- of that number, even if two gateways' clocks differ.
SELECT version, after AS balance FROM entries
WHERE account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid) AND created_at < $2
ORDER BY version DESC LIMIT 1;

-- name: account_entries
-- The entries of a user's account after number $2 up to $3, oldest first, at most $4.
SELECT e.entry_id, e.version, e.created_at, t.kind, e.amount, e.after AS balance, t.reference, t.description
FROM entries e JOIN transfers t ON t.id = e.transfer_id
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
  AND e.version > $2 AND e.version <= $3
ORDER BY e.version LIMIT $4;

-- name: account_lines
-- The entries of a user's account after number $2 up to $3, oldest first, at most $4 lines: one line for all charges of
-- a job on a day, one for its refunds, and one for each other entry.
WITH moved AS (
    SELECT e.version, e.amount, t.kind, t.description, (e.created_at AT TIME ZONE 'UTC')::date AS day,
           CASE WHEN t.kind IN ('USAGE', 'REFUND') AND t.reference ~ '^(job|dispute):[0-9a-f-]{36}:[0-9]'
                THEN split_part(t.reference, ':', 2)::uuid END AS job_id
    FROM entries e JOIN transfers t ON t.id = e.transfer_id
    WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
      AND e.version > $2 AND e.version <= $3
), lines AS (
    SELECT min(version) AS first, day, kind, job_id, count(*) AS entries, sum(amount)::bigint AS amount,
           CASE WHEN job_id IS NULL THEN min(description) ELSE '' END AS description
    FROM moved
    GROUP BY day, kind, job_id, CASE WHEN job_id IS NULL THEN version END
    ORDER BY first LIMIT $4
)
SELECT l.day, l.kind, l.job_id, l.entries, l.amount, l.description, j.name
FROM lines l
LEFT JOIN jobs j ON j.id = l.job_id
ORDER BY l.first;

-- name: spending_by_day
-- A user's charges for work on each day from $2 to $3, the refunds of charges, and the number of charged jobs; also
-- days without any.
WITH moved AS (
    SELECT (t.created_at AT TIME ZONE 'UTC')::date AS day, t.kind, t.amount, split_part(t.reference, ':', 2) AS job
    FROM transfers t
    WHERE t.subject = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
      AND (t.kind = 'USAGE' OR t.kind = 'REFUND' AND t.reference ~ '^(job|dispute):')
      AND t.created_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND t.created_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
)
SELECT d.day::date AS day, coalesce(sum(m.amount) FILTER (WHERE m.kind = 'USAGE'), 0)::bigint AS charged,
       coalesce(sum(m.amount) FILTER (WHERE m.kind = 'REFUND'), 0)::bigint AS refunded,
       count(DISTINCT m.job) FILTER (WHERE m.kind = 'USAGE') AS jobs
FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS d (day)
LEFT JOIN moved m ON m.day = d.day::date
GROUP BY d.day
ORDER BY d.day;

-- name: spending_by_job
-- The jobs for which a user was charged or refunded from day $2 to $3, the most expensive first, at most $4; `jobs` is
-- the number of all such jobs.
WITH moved AS (
    SELECT split_part(t.reference, ':', 2)::uuid AS job_id,
           coalesce(sum(t.amount) FILTER (WHERE t.kind = 'USAGE'), 0)::bigint AS charged,
           coalesce(sum(t.amount) FILTER (WHERE t.kind = 'REFUND'), 0)::bigint AS refunded,
           count(*) FILTER (WHERE t.kind = 'USAGE') AS units, max(t.created_at) AS last_at
    FROM transfers t
    WHERE t.subject = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
      AND t.kind IN ('USAGE', 'REFUND') AND t.reference ~ '^(job|dispute):[0-9a-f-]{36}:[0-9]'
      AND t.created_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND t.created_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1
), dearest AS (
    SELECT m.*, count(*) OVER () AS jobs FROM moved m
    ORDER BY m.charged - m.refunded DESC, m.last_at DESC, m.job_id LIMIT $4
)
SELECT d.job_id, d.charged, d.refunded, d.units, d.last_at, d.jobs, j.name
FROM dearest d
JOIN jobs j ON j.id = d.job_id
ORDER BY d.charged - d.refunded DESC, d.last_at DESC, d.job_id;
