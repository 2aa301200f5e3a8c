-- Small pictures of frames, as their nodes show them.

-- name: thumbnail_keep
-- Keep one, if the unit is this node's at this attempt; whether it was.
SELECT keep_thumbnail($1, $2, $3, $4, $5, $6) AS kept;

-- name: thumbnail_of_job
-- Of a user's job (null: anybody's): that of a frame, else the newest.
SELECT t.picture, t.frame FROM jobs j JOIN thumbnails t ON t.job_id = j.id
WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2) AND ($3::integer IS NULL OR t.frame = $3)
ORDER BY t.made_at DESC, t.frame DESC LIMIT 1;

-- name: thumbnails_shown
-- Which there are of a job's frames $2 (null: of all of them), without the pictures, the newest last.
SELECT t.unit, t.frame, t.attempt, t.made_at FROM thumbnails t
WHERE t.job_id = $1 AND ($2::integer[] IS NULL OR t.frame = ANY($2))
ORDER BY t.made_at, t.frame;

-- name: thumbnails_expire
-- Those of jobs that ended before $1 go, of some $2 jobs at once.
WITH old AS (
    SELECT j.id FROM jobs j WHERE j.completed_at < $1 AND EXISTS (SELECT FROM thumbnails t WHERE t.job_id = j.id)
    ORDER BY j.completed_at LIMIT $2
)
DELETE FROM thumbnails t USING old WHERE t.job_id = old.id
RETURNING t.job_id;
