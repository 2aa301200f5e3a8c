-- Overruns: attempts that took far longer than their units were quoted.

-- name: overrun_note
-- Insert an overrun, once.
INSERT INTO overruns (job_id, unit, attempt, node_id, owner_id, percent, at)
SELECT $1, $2, $3, $4, n.owner_id, $5, $6 FROM nodes n WHERE n.id = $4
ON CONFLICT DO NOTHING;

-- name: overruns_of
-- The newest $3 overruns of a unit.
SELECT job_id AS job, unit, attempt, node_id AS node, owner_id AS owner, percent, at
FROM overruns WHERE job_id = $1 AND unit = $2 ORDER BY attempt DESC LIMIT $3;

-- name: overruns_of_content
-- Overruns of user $1's failed units on content $2 (hexadecimal), each with its frames, and whether its quote was by
-- measured work. They are few.
SELECT o.job_id AS job, o.unit, o.attempt, o.node_id AS node, o.owner_id AS owner, o.percent, o.at,
       coalesce(u.frames, j.plan #>> '{spec,params,frame}') AS frames,
       (j.plan #> '{pricing,looked}') IS NOT NULL AS measured
FROM overruns o
JOIN jobs j ON j.id = o.job_id
JOIN units u ON u.job_id = o.job_id AND u.number = o.unit
WHERE j.user_id = $1 AND u.state = 'FAILED'
  AND coalesce(j.plan -> 'inputs' -> 'files', j.plan -> 'inputs' -> 'file') ->> 'sha256' = $2
ORDER BY o.job_id, o.unit, o.attempt;

-- name: underquoted_of
-- Overruns of a job's failed units, by unit; each with the unit's price, and the numbers of all units that are
-- retried with it: for a frame in tiles, its tiles.
SELECT o.job_id AS job, o.unit, o.attempt, o.node_id AS node, o.owner_id AS owner, o.percent, o.at, u.frames,
       u.price, ARRAY(SELECT t.number FROM units t
                      WHERE t.job_id = u.job_id AND t.state = 'FAILED'
                        AND coalesce(u.feeds, u.number) IN (t.number, t.feeds)) AS together
FROM overruns o JOIN units u ON u.job_id = o.job_id AND u.number = o.unit
WHERE o.job_id = $1 AND u.state = 'FAILED'
ORDER BY o.unit, o.attempt;
