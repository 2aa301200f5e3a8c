-- Jobs of manifests of which we do not know the uploads: those of before we listed them. One whose
-- files are frames of another job has no uploads but its scene, which is listed.
CREATE OR REPLACE VIEW kept_jobs AS
SELECT j.id, j.user_id, j.params -> '_input' ->> 'key' AS input_key,
       j.params -> '_manifest' ->> 'key' AS manifest_key,
       j.params ? '_manifest' AND NOT j.params ? '_frames_of'
           AND NOT EXISTS (SELECT FROM manifest_files f
                           WHERE f.manifest_key = j.params -> '_manifest' ->> 'key') AS is_unlisted
FROM jobs j WHERE j.completed_at IS NULL
UNION ALL
SELECT j.id, j.user_id, j.params -> '_input' ->> 'key', j.params -> '_manifest' ->> 'key',
       j.params ? '_manifest' AND NOT j.params ? '_frames_of'
           AND NOT EXISTS (SELECT FROM manifest_files f
                           WHERE f.manifest_key = j.params -> '_manifest' ->> 'key')
FROM jobs j
WHERE j.completed_at IS NOT NULL
  AND j.id IN (SELECT job_id FROM disputes WHERE state = 'OPEN'
               UNION SELECT job_id FROM earnings WHERE state = 'PENDING');
