-- Public links to verified pictures. A revoked link is deleted.

-- name: share_link_insert
-- Insert a link; no row if user $2 has $8 that have not expired.
INSERT INTO share_links (id, user_id, job_id, unit, sha256, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM share_links WHERE user_id = $2 AND expires_at > $6) < $8
RETURNING id, job_id, unit, created_at, expires_at, (SELECT j.name FROM jobs j WHERE j.id = job_id) AS job_name;

-- name: share_link_find
-- The unit that a link shows, unless the link has expired or its user was deactivated.
SELECT s.user_id, s.job_id, s.unit, s.expires_at
FROM share_links s JOIN users u ON u.id = s.user_id
WHERE s.sha256 = $1 AND s.expires_at > $2 AND u.is_active;

-- name: share_link_page
-- A user's links, newest first; of job $2 (null: of all jobs).
SELECT id, job_id, unit, created_at, expires_at, (SELECT j.name FROM jobs j WHERE j.id = job_id) AS job_name
FROM share_links
WHERE user_id = $1 AND ($2::uuid IS NULL OR job_id = $2) AND expires_at > $3
ORDER BY created_at DESC, id DESC
LIMIT $4 OFFSET $5;

-- name: share_link_count
-- Count a user's links; of job $2 (null: of all jobs).
SELECT count(*) AS count FROM share_links
WHERE user_id = $1 AND ($2::uuid IS NULL OR job_id = $2) AND expires_at > $3;

-- name: share_link_revoke
-- Delete a user's link; no row if it is another user's, or was revoked before.
DELETE FROM share_links WHERE id = $1 AND user_id = $2 RETURNING id;

-- name: share_links_purge
-- Delete links that have expired.
DELETE FROM share_links WHERE expires_at <= $1;

-- name: share_links_erase
-- Delete all links of a user.
DELETE FROM share_links WHERE user_id = $1;
