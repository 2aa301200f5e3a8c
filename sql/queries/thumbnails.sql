-- Thumbnails of frames, sent by their nodes.

-- name: thumbnail_keep
-- Store a thumbnail if this node has the unit at this attempt; return whether it was stored.
SELECT keep_thumbnail($1, $2, $3, $4, $5, $6) AS kept;

-- name: thumbnail_of_job
-- A thumbnail of a user's job (null: any user's): that of a frame, or the newest if none is given.
SELECT t.picture, t.frame FROM jobs j JOIN thumbnails t ON t.job_id = j.id
WHERE j.id = $1 AND ($2::uuid IS NULL OR j.user_id = $2) AND ($3::integer IS NULL OR t.frame = $3)
ORDER BY t.made_at DESC, t.frame DESC LIMIT 1;

-- name: thumbnail_of_attempt
-- The thumbnail that attempt $3 sent of unit $2 of a job; of frame $4, if given.
SELECT t.picture, t.frame FROM thumbnails t
WHERE t.job_id = $1 AND t.unit = $2 AND t.attempt = $3 AND ($4::integer IS NULL OR t.frame = $4)
ORDER BY t.frame LIMIT 1;

-- name: thumbnails_shown
-- The thumbnails of frames $2 (null: all) of a job, newest last, without the pictures.
SELECT t.unit, t.frame, t.attempt, t.made_at FROM thumbnails t
WHERE t.job_id = $1 AND ($2::integer[] IS NULL OR t.frame = ANY($2))
ORDER BY t.made_at, t.frame;

-- name: thumbnails_expire
-- Delete the thumbnails of up to $2 jobs that ended before $1.
WITH old AS (
    SELECT j.id FROM jobs j WHERE j.completed_at < $1 AND EXISTS (SELECT FROM thumbnails t WHERE t.job_id = j.id)
    ORDER BY j.completed_at LIMIT $2
)
DELETE FROM thumbnails t USING old WHERE t.job_id = old.id
RETURNING t.job_id;
