-- Retention: deletion of inputs that were not used recently, and of results of jobs that ended long ago.

-- name: retention_inputs
-- Mark some uploads for deletion that were unused since $1 or are marked already, and that no job still needs.
WITH found AS (
    SELECT u.id FROM uploads u
    WHERE u.expired_at IS NOT NULL OR (
        u.used_at < $1
        AND NOT EXISTS (SELECT FROM kept_jobs k WHERE k.user_id = u.user_id AND k.input_key = u.object_key)
        AND NOT EXISTS (SELECT FROM manifest_files f JOIN kept_jobs k ON k.manifest_key = f.manifest_key
                        WHERE f.upload_id = u.id))
    ORDER BY u.used_at LIMIT 100
)
UPDATE uploads u SET expired_at = coalesce(u.expired_at, $2)
FROM found WHERE u.id = found.id AND (u.expired_at IS NOT NULL OR u.used_at < $1)
RETURNING u.id, u.object_key;

-- name: retention_input_gone
-- Delete the row of an upload whose object was deleted.
WITH parts AS (DELETE FROM multiparts WHERE upload_id = $1)
DELETE FROM uploads WHERE id = $1 AND expired_at IS NOT NULL;

-- name: retention_expire
-- Mark an upload for deletion by its owner; no row if it is not theirs, or a job still needs it.
UPDATE uploads u SET expired_at = $3
WHERE u.id = $1 AND u.user_id = $2
  AND NOT EXISTS (SELECT FROM kept_jobs k WHERE k.user_id = u.user_id AND k.input_key = u.object_key)
  AND NOT EXISTS (SELECT FROM manifest_files f JOIN kept_jobs k ON k.manifest_key = f.manifest_key
                  WHERE f.upload_id = u.id)
RETURNING u.id, u.object_key;

-- name: retention_results
-- Mark some results of jobs that ended before $1 and are no longer needed.
INSERT INTO expired_results (job_id, unit, expired_at)
SELECT u.job_id, u.number, $2
FROM jobs j JOIN units u ON u.job_id = j.id
WHERE j.completed_at < $1 AND u.state = 'COMPLETED' AND u.result_key IS NOT NULL
  AND NOT EXISTS (SELECT FROM expired_results x WHERE x.job_id = u.job_id AND x.unit = u.number)
  AND NOT EXISTS (SELECT FROM disputes d WHERE d.job_id = j.id AND d.state = 'OPEN')
  AND NOT EXISTS (SELECT FROM earnings e WHERE e.job_id = j.id AND e.state = 'PENDING')
  AND NOT EXISTS (SELECT FROM jobs o WHERE o.completed_at IS NULL AND o.user_id = j.user_id
                  AND o.plan -> 'inputs' ->> 'frames_of' = j.id::text)
ORDER BY j.completed_at LIMIT 100
ON CONFLICT DO NOTHING;

-- name: retention_results_left
-- Some expired results whose objects were not deleted yet.
SELECT x.job_id, x.unit, u.result_key FROM expired_results x
JOIN units u ON u.job_id = x.job_id AND u.number = x.unit
WHERE x.removed_at IS NULL ORDER BY x.expired_at LIMIT 100;

-- name: retention_result_gone
-- Record that the object was deleted.
UPDATE expired_results SET removed_at = $3 WHERE job_id = $1 AND unit = $2;

-- name: retention_batches
-- Delete the rows of Ledgers that have written nothing since $1; most have ended.
DELETE FROM ledger_batches WHERE written_at < $1;

-- name: retention_attempts
-- Some attempts that ended without a result before $1, whose objects are to be deleted.
SELECT a.job_id, a.number AS unit, a.attempt, j.user_id AS "user" FROM attempts a
JOIN jobs j ON j.id = a.job_id
WHERE a.ended_at < $1
  AND NOT EXISTS (SELECT FROM removed_attempts r
                  WHERE r.job_id = a.job_id AND r.number = a.number AND r.attempt = a.attempt)
ORDER BY a.ended_at LIMIT 100;

-- name: retention_attempt_gone
-- Record that the attempt's objects were deleted.
INSERT INTO removed_attempts (job_id, number, attempt, removed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: retention_use
-- Record that these uploads belong to a job; return how many exist.
WITH used AS (
    UPDATE uploads SET used_at = $3 WHERE user_id = $1 AND id = ANY($2::uuid[]) AND expired_at IS NULL
    RETURNING id
) SELECT count(*) AS count FROM used;

-- name: retention_manifest
-- Store the list of a manifest.
INSERT INTO manifest_files (manifest_key, upload_id)
SELECT $1, f.id FROM unnest($2::uuid[]) AS f (id)
ON CONFLICT DO NOTHING;

-- name: retention_inputs_of
-- The existing uploads that a job uses, and how many no longer exist.
WITH wanted AS (
    SELECT u.id, u.expired_at FROM jobs j
    JOIN uploads u ON u.user_id = j.user_id AND u.object_key = j.plan -> 'inputs' -> 'file' ->> 'key'
    WHERE j.id = $1
    UNION ALL
    SELECT f.upload_id, coalesce(u.expired_at, CASE WHEN u.id IS NULL THEN now() END) FROM jobs j
    JOIN manifest_files f ON f.manifest_key = j.plan -> 'inputs' -> 'files' ->> 'key'
    LEFT JOIN uploads u ON u.id = f.upload_id
    WHERE j.id = $1
)
SELECT coalesce(array_agg(id) FILTER (WHERE expired_at IS NULL), '{}') AS there,
       count(*) FILTER (WHERE expired_at IS NOT NULL)
       + (SELECT count(*) FROM jobs j WHERE j.id = $1 AND (j.plan -> 'inputs') ? 'file'
          AND NOT EXISTS (SELECT FROM wanted)) AS gone
FROM wanted;

-- name: retention_usage
-- The bytes and the number of a user's inputs. The bytes of announced inputs count for a day, even if never sent.
SELECT coalesce(sum(size), 0)::bigint AS used, count(completed_at) AS count FROM uploads
WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND expired_at IS NULL
  AND (completed_at IS NOT NULL OR used_at > $3);

-- name: retention_page
-- A page of a user's inputs, largest first, and how many of the user's `kept_jobs` need each.
WITH page AS (
    SELECT id, sha256, size, filename, object_key, completed_at, created_at, used_at, expired_at FROM uploads
    WHERE user_id = $1 AND completed_at IS NOT NULL AND expired_at IS NULL
    ORDER BY size DESC, id LIMIT $2 OFFSET $3
), kept AS MATERIALIZED (
    SELECT id, input_key, manifest_key FROM kept_jobs WHERE user_id = $1
), needed AS (
    SELECT p.id AS upload, k.id AS job FROM page p JOIN kept k ON k.input_key = p.object_key
    UNION
    SELECT p.id, k.id FROM page p JOIN manifest_files f ON f.upload_id = p.id
    JOIN kept k ON k.manifest_key = f.manifest_key
)
SELECT p.*, (SELECT count(*) FROM needed n WHERE n.upload = p.id) AS jobs
FROM page p ORDER BY size DESC, id;
