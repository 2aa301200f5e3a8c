-- name: node_insert
-- A node that nobody has proved yet, and the challenge that proves it.
WITH created AS (
    INSERT INTO nodes (id, name, public_key, capabilities, metadata)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING id
)
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at)
SELECT $6, id, $7, $8 FROM created;

-- name: challenge_insert
-- A further challenge for a node that has proved its key before.
INSERT INTO node_challenges (challenge, node_id, owner_id, expires_at) VALUES ($1, $2, $3, $4);

-- name: node_by_verified_key
-- The one node whose possession of this key was proved.
SELECT id FROM nodes WHERE public_key = $1 AND verified_at IS NOT NULL;

-- name: node_challenge
-- What a proof is checked against.
SELECT c.owner_id, c.expires_at, c.used_at, n.public_key
FROM node_challenges c JOIN nodes n ON n.id = c.node_id
WHERE c.challenge = $1 AND c.node_id = $2;

-- name: node_verify
-- Use the challenge up and bind key and owner; no row when it was used up meanwhile, or when
-- another node proved the same key first.
WITH used AS (
    UPDATE node_challenges SET used_at = $3
    WHERE challenge = $1 AND node_id = $2 AND used_at IS NULL AND expires_at > $3
    RETURNING node_id, owner_id
)
UPDATE nodes n
SET verified_at = coalesce(n.verified_at, $3), owner_id = coalesce(n.owner_id, used.owner_id)
FROM used
WHERE n.id = used.node_id
  AND NOT EXISTS (SELECT FROM nodes o
                  WHERE o.public_key = n.public_key AND o.verified_at IS NOT NULL AND o.id <> n.id)
RETURNING n.id, n.owner_id, n.capabilities, n.status, n.verified_at;

-- name: node_heartbeat
-- A sign of life. A node that must be proved first ($5) stays as it is. What it says about itself
-- is laid over what it said before, unless that grows too large.
UPDATE nodes
SET current_load = $2,
    metadata = CASE WHEN octet_length((metadata || $3::jsonb)::text) <= 16384
                    THEN metadata || $3::jsonb ELSE $3::jsonb END,
    seen_at = $4,
    status = CASE WHEN $5 AND verified_at IS NULL THEN status ELSE 'HEALTHY' END
WHERE id = $1
RETURNING id, owner_id, capabilities, status, verified_at;

-- name: node_by_id
-- Who opens a socket.
SELECT id, owner_id, capabilities, status, verified_at FROM nodes WHERE id = $1;
