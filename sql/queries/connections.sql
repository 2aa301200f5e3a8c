-- Connections of nodes, and the gateways that are alive.

-- name: connections_write
-- Record that gateway $1 is alive, and the state of some of its connections; each node keeps the last $10. Returns
-- whether the gateway's previous record is at most $11 seconds old, so that the others have not considered it dead.
WITH told AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                         $7::timestamptz[], $8::integer[], $9::boolean[])
        AS t (id, node_id, address, opened_at, pong_at, ended_at, code, by_us)
), older AS (
    DELETE FROM node_connections c USING (SELECT DISTINCT node_id FROM told) n
    WHERE c.node_id = n.node_id AND c.id NOT IN (SELECT id FROM told)
      AND c.opened_at < (SELECT o.opened_at FROM node_connections o WHERE o.node_id = n.node_id
                         ORDER BY o.opened_at DESC OFFSET $10::integer - 1 LIMIT 1)
), kept AS (
    INSERT INTO node_connections (id, gateway_id, node_id, address, opened_at, pong_at, ended_at, code, by_us)
    SELECT t.id, $1::uuid, t.node_id, t.address, t.opened_at, t.pong_at, t.ended_at, t.code, t.by_us
    FROM told t ORDER BY t.id
    ON CONFLICT (id) DO UPDATE
    SET pong_at = EXCLUDED.pong_at, ended_at = EXCLUDED.ended_at, code = EXCLUDED.code, by_us = EXCLUDED.by_us
), before AS (
    SELECT seen_at FROM gateway_lives WHERE id = $1
)
INSERT INTO gateway_lives (id, seen_at) VALUES ($1, now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
RETURNING coalesce((SELECT seen_at >= now() - make_interval(secs => $11) FROM before), false) AS was_there;

-- name: connections_of_node
-- The last $2 connections of a node, newest first.
SELECT id, node_id, address, opened_at, pong_at, ended_at, code, by_us FROM node_connections
WHERE node_id = $1 ORDER BY opened_at DESC, id LIMIT $2;

-- name: connections_end
-- End, with code $2, the open connections of gateways that have been silent for $1 seconds, and delete those
-- gateways.
WITH gone AS (
    DELETE FROM gateway_lives WHERE seen_at < now() - make_interval(secs => $1) RETURNING id, seen_at
)
UPDATE node_connections c
SET ended_at = greatest(g.seen_at, c.opened_at, c.pong_at), code = $2, by_us = true
FROM gone g WHERE c.gateway_id = g.id AND c.ended_at IS NULL;

-- name: connections_expire
-- Delete up to $2 connections that ended before $1.
WITH old AS (SELECT id FROM node_connections WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)
DELETE FROM node_connections c USING old WHERE c.id = old.id
RETURNING c.id;

-- name: connections_erase
-- Erase the addresses of a user's nodes.
UPDATE node_connections c SET address = '' FROM nodes n WHERE n.id = c.node_id AND n.owner_id = $1;
