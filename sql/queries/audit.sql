-- name: audit_insert
-- Record an admin's action.
INSERT INTO audit (at, actor_id, actor, act, target, reason, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: audit_page
-- Actions, newest first; optionally only before number $1, or on target $2. ``email``: the present
-- address of a target that is a user.
SELECT number, at, actor_id, actor, act, target, reason, request_id, details,
       CASE WHEN target ~ '^user:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            THEN (SELECT users.email FROM users WHERE users.id = substr(target, 6)::uuid) END AS email
FROM audit
WHERE ($1::bigint IS NULL OR number < $1) AND ($2::text IS NULL OR target = $2)
ORDER BY number DESC
LIMIT $3;
