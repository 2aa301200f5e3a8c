-- Events of jobs. Only triggers of jobs and units write them.

-- name: events_of_job
-- The next $4 events of a user's job after number $3, and the job's status, in one snapshot. At least one row for a
-- job of this user, none for another's.
SELECT j.status, j.name AS job_name, j.completed_at IS NOT NULL AS ended, event_type(e.unit, e.state) AS type, e.*
FROM jobs j
LEFT JOIN LATERAL (SELECT number, at, unit, state, attempt, node_id, money, amount, error_class, error_code,
                          error, frame
                   FROM job_events e WHERE e.job_id = j.id AND e.number > $3
                   ORDER BY e.number LIMIT $4) e ON true
WHERE j.id = $1 AND j.user_id = $2
ORDER BY e.number;

-- name: events_newest
-- The number of the newest event of each of these jobs that has any.
SELECT j.id AS job, e.number
FROM unnest($1::uuid[]) AS j (id)
CROSS JOIN LATERAL (SELECT number FROM job_events e WHERE e.job_id = j.id
                    ORDER BY e.number DESC LIMIT 1) e;

-- name: events_expire
-- Delete the events of up to $3 jobs that ended from $1 on and before $2, except the last one, so that numbers
-- continue from it. Returns where to continue; $2 once all are deleted.
WITH bound AS (
    SELECT coalesce((SELECT completed_at FROM jobs WHERE completed_at > $1 AND completed_at < $2
                     ORDER BY completed_at OFFSET $3::integer LIMIT 1), $2::timestamptz) AS at
), gone AS (
    DELETE FROM job_events e USING jobs j
    WHERE j.completed_at >= $1 AND j.completed_at < (SELECT at FROM bound) AND e.job_id = j.id
      AND EXISTS (SELECT FROM job_events n WHERE n.job_id = e.job_id AND n.number > e.number)
)
SELECT at FROM bound;
