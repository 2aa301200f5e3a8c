-- name: balance_of_users
-- The balance and held amount of each user; zero before the first entry.
SELECT coalesce(a.balance, 0) AS balance, coalesce(a.held, 0) AS held
FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, place)
LEFT JOIN accounts a ON a.name = 'user:' || u.id
ORDER BY u.place;

-- name: entries_of_user
-- A page of a user's entries, newest first: those older than entry $4, if given. Both bounds use the index, so a late
-- page costs as much as the first.
SELECT e.id, e.entry_id, e.amount, t.kind, t.reference, e.after, t.description, e.created_at
FROM entries e
JOIN transfers t ON t.id = e.transfer_id
WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
  AND e.version < coalesce((SELECT version FROM entries WHERE id = $4::uuid), 9223372036854775807)
ORDER BY e.version DESC
LIMIT $2 OFFSET $3;

-- name: entry_is_of_user
-- Does the entry belong to the user, so that a page may begin after it?
SELECT FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.id = $2 AND a.name = 'user:' || $1::uuid;

-- name: entries_count
-- Count a user's entries: versions have no gaps.
SELECT version AS count FROM accounts WHERE name = 'user:' || $1::uuid;

-- name: holds_of_user
-- A page of a user's open holds, newest first, with the job and unit they are for.
SELECT h.id, h.amount, h.reference, h.created_at, j.id AS job_id, j.job_type, j.status AS job_status,
       w.number AS unit, w.frames, w.tile, j.params -> '_tiles' AS grid
FROM holds h
LEFT JOIN jobs j
       ON j.id = CASE WHEN h.reference LIKE 'job:%' THEN split_part(h.reference, ':', 2)::uuid END
LEFT JOIN units w ON w.job_id = j.id
      AND w.number = CASE WHEN h.reference LIKE 'job:%' THEN split_part(h.reference, ':', 3)::integer END
WHERE h.state = 'OPEN'
  AND h.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
ORDER BY h.created_at DESC, h.id DESC
LIMIT $2 OFFSET $3;

-- name: holds_count
-- Count a user's open holds.
SELECT count(*) FROM holds
WHERE state = 'OPEN' AND account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid);

-- name: usage_of_user
-- A user's charges for work on each day from $2 to $3 (UTC), with the number of jobs; days without charges included.
WITH charged AS (
    SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day, -e.amount AS amount,
           split_part(t.reference, ':', 2) AS job
    FROM entries e JOIN transfers t ON t.id = e.transfer_id
    WHERE e.account_id = (SELECT id FROM accounts WHERE name = 'user:' || $1::uuid)
      AND e.created_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND t.kind = 'USAGE'
)
SELECT d.day::date AS day, coalesce(sum(c.amount), 0)::bigint AS charged,
       count(DISTINCT c.job) AS jobs
FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS d (day)
LEFT JOIN charged c ON c.day = d.day::date
GROUP BY d.day
ORDER BY d.day;

-- name: charged_unit
-- The charge for one unit of a job, and its creator; also for units without a charge.
SELECT j.user_id, j.id AS job_id, u.number, j.job_type, coalesce(h.settled, 0) AS charged
FROM units u
JOIN jobs j ON j.id = u.job_id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
WHERE u.job_id = $1 AND u.number = $2;

-- name: refundable_units
-- The charge for each unit of a job, and the refunded part.
SELECT u.number, u.frames, u.tile, coalesce(h.settled, 0) AS charged, t.amount AS refunded
FROM units u
JOIN jobs j ON j.id = u.job_id
LEFT JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
LEFT JOIN accounts a ON a.name = 'user:' || j.user_id
LEFT JOIN transfers t ON t.reference = 'job:' || u.job_id || ':' || u.number
                     AND t.subject = a.id AND t.kind = 'REFUND'
WHERE u.job_id = $1 ORDER BY u.number;
