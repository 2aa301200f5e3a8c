-- Halts of writing, and how the chain's anchors compare with the log.

-- name: halts_now
-- The reason to stop writing, if any. A restored backup stops only gateways with a chain ($1). $2 to $5: origin,
-- size, root and time of the newest checkpoint in this gateway's memory; $6: that memory is unreadable. ``told``:
-- the halt is stored, or concerns this gateway only. A memory of another log, or an unreadable one, stops only this
-- gateway; ``here`` is then the database's log, in any epoch.
SELECT * FROM (
    SELECT reason, found_at, chain_id, contract, size, root, origin, seen_at, NULL::text AS here, true AS told
    FROM log_halted WHERE $1::boolean OR reason <> 'RESTORED'
    UNION ALL
    SELECT CASE WHEN n.same THEN 'BEHIND' ELSE 'STRANGE' END, now(), NULL, NULL, $3::bigint, $4::bytea,
           $2::text, $5::timestamptz, n.here, NOT n.same
    FROM (SELECT max(h.origin) AS here,
                 coalesce(bool_and(regexp_replace(h.origin, e.name, '') = regexp_replace($2::text, e.name, '')),
                          false) AS same
          FROM log_head h, (VALUES ('/epoch/[1-9][0-9]{0,8}-[0-9a-f]{8}$')) AS e (name)) n
    WHERE $3::bigint IS NOT NULL
      AND NOT EXISTS (SELECT FROM checkpoints WHERE size = $3::bigint AND root = $4::bytea)
      AND NOT (n.same AND EXISTS (SELECT FROM epochs WHERE at >= $5::timestamptz AND origin <> $2::text))
    UNION ALL
    SELECT 'UNREADABLE', now(), NULL, NULL, NULL, NULL, NULL, NULL, NULL, true WHERE $6::boolean
) h
ORDER BY array_position(ARRAY['AHEAD', 'OTHER', 'BEHIND', 'STRANGE', 'UNREADABLE', 'RESTORED'], reason),
         told DESC
LIMIT 1;

-- name: halts_set
-- Stop all writing.
INSERT INTO log_halt (reason, found_at, chain_id, contract, size, root) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (one) DO UPDATE SET reason = $1, chain_id = $3, contract = $4, size = $5, root = $6;

-- name: halts_behind
-- Stop all writing because a gateway has a checkpoint that is missing here. A halt by the chain takes precedence.
INSERT INTO log_halt (reason, found_at, size, root, origin, seen_at) VALUES ('BEHIND', $1, $2, $3, $4, $5)
ON CONFLICT (one) DO UPDATE SET reason = 'BEHIND', found_at = $1, chain_id = NULL, contract = NULL,
                                size = $2, root = $3, origin = $4, seen_at = $5
WHERE log_halt.reason = 'RESTORED' OR NOT EXISTS (SELECT FROM log_halted);

-- name: halts_end
-- End the halt: an epoch has begun, or the person who runs the gateway confirmed that the chain agrees.
DELETE FROM log_halt;

-- name: halts_asked
-- End the halt after a restore: the chain has no anchor that is newer than the backup.
DELETE FROM log_halt WHERE reason = 'RESTORED';

-- name: halts_own
-- The number of leaves, and the root at $1 if there is a checkpoint of that size.
SELECT h.size, c.root FROM log_head h LEFT JOIN checkpoints c ON c.size = $1::bigint;

-- name: halts_backlog
-- The size of the log, the size of its newest confirmed anchor, and since when a checkpoint waits for an anchor, or
-- a transfer for a checkpoint. Leaves that a new epoch kept from an older one count as anchored.
SELECT h.size, coalesce(a.size, 0) AS anchored,
       coalesce((SELECT min(c.at) FROM checkpoints c WHERE c.size > coalesce(a.size, 0)),
                (SELECT t.created_at FROM leaves l JOIN transfers t ON t.id = l.transfer
                 WHERE l.leaf_index >= coalesce(a.size, 0) ORDER BY l.leaf_index LIMIT 1)) AS since
FROM log_head h
LEFT JOIN LATERAL (SELECT size FROM chain_transactions
                   WHERE state = 'CONFIRMED' AND size IS NOT NULL
                   ORDER BY size DESC LIMIT 1) a ON true;
