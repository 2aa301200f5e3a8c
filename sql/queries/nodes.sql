-- name: node_insert
-- Insert an unproved node with its challenge.
WITH created AS (
    INSERT INTO nodes (id, name, public_key, capabilities, metadata)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING id
)
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at)
SELECT $6, id, $7, $8 FROM created;

-- name: node_embed
-- Insert an embedded verifier. Its gateway has its key, so there is nothing to prove.
INSERT INTO nodes (id, name, public_key, capabilities, verified_at, is_embedded)
VALUES ($1, $2, $3, $4, now(), true)
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, capabilities = EXCLUDED.capabilities;

-- name: challenge_insert
-- Insert a further challenge for a node with a proved key. There are at most sixteen: more requests end the oldest, and
-- the key's holder answers long before that.
WITH surplus AS (
    DELETE FROM node_challenges WHERE challenge IN (
        SELECT challenge FROM node_challenges WHERE node_id = $2
        ORDER BY expires_at DESC, challenge OFFSET 15)
)
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at) VALUES ($1, $2, $3, $4);

-- name: challenges_sweep
-- Delete some that ended before $1: each registration deletes more than it inserts.
DELETE FROM node_challenges WHERE challenge IN (
    SELECT challenge FROM node_challenges WHERE expires_at < $1
    ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED);

-- name: nodes_forget
-- Delete $2 unproved registrations from before $1 without a sign of life since. A node that was ever healthy or
-- connected may have had work, and a node whose standing was changed is kept.
WITH old AS (
    SELECT n.id FROM nodes n
    WHERE n.verified_at IS NULL AND n.status = 'REGISTERED' AND n.standing_at IS NULL
      AND n.created_at < $1 AND (n.seen_at IS NULL OR n.seen_at < $1)
      AND NOT EXISTS (SELECT FROM node_connections c WHERE c.node_id = n.id)
      AND NOT EXISTS (SELECT FROM units u WHERE u.node_id = n.id)
    ORDER BY n.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
), answered AS (
    DELETE FROM node_challenges c USING old WHERE c.node_id = old.id
)
DELETE FROM nodes n USING old WHERE n.id = old.id RETURNING n.id;

-- name: node_by_verified_key
-- The node that has proved this key.
SELECT id FROM nodes WHERE public_key = $1 AND verified_at IS NOT NULL;

-- name: node_challenge
-- The data to check a proof against.
SELECT c.owner_id, c.expires_at, c.used_at, n.public_key, n.standing
FROM node_challenges c JOIN nodes n ON n.id = c.node_id
WHERE c.challenge = $1 AND c.node_id = $2;

-- name: node_verify
-- Use the challenge and bind key and owner; no row if it was already used, or if another node proved the same key
-- first. If the owner has a node in quarantine, or gave up one that was, the new key starts in quarantine.
WITH used AS (
    UPDATE node_challenges SET used_at = $3
    WHERE challenge = $1 AND node_id = $2 AND used_at IS NULL AND expires_at > $3
    RETURNING node_id, owner_id
), shut AS (
    SELECT u.node_id, EXISTS (SELECT FROM nodes o JOIN used ON o.owner_id = used.owner_id
                              WHERE o.quarantined_at IS NOT NULL)
                      AND u.owner_id IS NULL AND u.standing IN ('ACTIVE', 'DRAINING') AS out
    FROM (SELECT id AS node_id, owner_id, standing FROM nodes WHERE id = $2) u
)
UPDATE nodes n
SET verified_at = coalesce(n.verified_at, $3), owner_id = coalesce(n.owner_id, used.owner_id),
    standing = CASE WHEN shut.out THEN 'QUARANTINED' ELSE n.standing END,
    standing_version = n.standing_version + shut.out::integer,
    standing_reason = CASE WHEN shut.out
        THEN 'another node of its owner''s is in quarantine, or was when it was given up; an admin releases it'
        ELSE n.standing_reason END,
    standing_at = CASE WHEN shut.out THEN $3 ELSE n.standing_at END,
    quarantined_at = CASE WHEN shut.out THEN $3 ELSE n.quarantined_at END,
    caught = CASE WHEN shut.out THEN 'KIN' ELSE n.caught END
FROM used JOIN shut USING (node_id)
WHERE n.id = used.node_id
  AND n.standing <> 'REVOKED'
  AND NOT EXISTS (SELECT FROM nodes o
                  WHERE o.public_key = n.public_key AND o.verified_at IS NOT NULL AND o.id <> n.id)
RETURNING n.id, n.owner_id, n.capabilities, n.status, n.verified_at, n.standing, n.standing_version, n.standing_reason;

-- name: node_heartbeat
-- Record a sign of life. A node that must be proved first ($4) keeps its status. Its new metadata are merged over the
-- old ones, unless the result is too large. A revoked node is ignored.
UPDATE nodes
SET current_load = $2,
    metadata = CASE WHEN octet_length((metadata || $3::jsonb)::text) <= 16384
                    THEN metadata || $3::jsonb ELSE $3::jsonb END,
    seen_at = now(),
    status = CASE WHEN $4 AND verified_at IS NULL THEN status ELSE 'HEALTHY' END
WHERE id = $1 AND standing <> 'REVOKED'
RETURNING id, owner_id, capabilities, status, verified_at, standing, standing_version, standing_reason;

-- name: node_by_id
-- The node that opens a socket.
SELECT id, owner_id, capabilities, status, verified_at, standing, standing_version, standing_reason, public_key
FROM nodes WHERE id = $1;

-- name: node_shown
-- A node for people.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, current_load, verified_at, seen_at, created_at
FROM nodes WHERE id = $1;

-- name: nodes_of_owner
-- A page of an owner's nodes, newest first: those older than node $3, if given.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, current_load, verified_at, seen_at, created_at
FROM nodes
WHERE owner_id = $4 AND (created_at, id) < (
      coalesce((SELECT created_at FROM nodes WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- name: nodes_of_all
-- The same for all nodes.
SELECT id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, current_load, verified_at, seen_at, created_at
FROM nodes
WHERE (created_at, id) < (
      coalesce((SELECT created_at FROM nodes WHERE id = $3::uuid), 'infinity'),
      coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2;

-- name: nodes_of_owner_count
-- Count an owner's nodes.
SELECT count(*) FROM nodes WHERE owner_id = $1;

-- name: nodes_of_all_count
-- Count all nodes.
SELECT count(*) FROM nodes;

-- name: node_stand
-- Change a node's standing; no row if it was changed since version $2. With $6 its record is reset.
UPDATE nodes
SET standing = $3, standing_version = standing_version + 1, standing_reason = $4, standing_by = $5,
    standing_at = now(),
    released_at = CASE WHEN $6 THEN now() ELSE released_at END,
    caught = CASE WHEN $3 IN ('QUARANTINED', 'REVOKED') THEN caught END,
    quarantined_at = CASE WHEN $3 = 'QUARANTINED' THEN coalesce(quarantined_at, now())
                          WHEN $3 = 'REVOKED' THEN quarantined_at END
WHERE id = $1 AND standing_version = $2
RETURNING id, owner_id, name, capabilities, metadata, status, standing, standing_version, standing_reason,
       standing_at, current_load, verified_at, seen_at, created_at;

-- name: node_caught
-- Why the gateway itself quarantined a node that is in quarantine, if it did.
SELECT caught FROM nodes WHERE id = $1 AND standing = 'QUARANTINED';

-- name: node_quarantine
-- Quarantine a node because of its checks; no row if the gateway has done so before. An admin's quarantine does not
-- prevent it. For a node that was given up, it is kept for its owner's next one.
UPDATE nodes
SET standing = CASE standing WHEN 'REVOKED' THEN standing ELSE 'QUARANTINED' END,
    standing_version = standing_version + 1, standing_reason = $2,
    standing_by = NULL, standing_at = now(), quarantined_at = now(), caught = 'LIES'
WHERE id = $1 AND (standing IN ('ACTIVE', 'DRAINING') OR (standing = 'QUARANTINED' AND caught IS NULL)
                   OR (standing = 'REVOKED' AND quarantined_at IS NULL))
RETURNING standing, standing_version, standing_reason;
