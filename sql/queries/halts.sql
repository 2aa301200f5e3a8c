-- Whether anything may be written, and how what the chain has compares with the log.

-- name: halts_now
-- Why nothing is written, if so. That a backup was restored concerns only who can ask a chain ($1).
-- $2 to $5 are the origin, size, root and time of the newest checkpoint that this gateway signed or
-- saw, as it keeps it itself; $6: it keeps something that cannot be read. ``told``: whether the others
-- know by now what they must know. What is of another log, or of none, is the matter of this gateway
-- alone: ``here`` is the database's own log, whatever its epoch.
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
-- Nothing is written from now on.
INSERT INTO log_halt (reason, found_at, chain_id, contract, size, root) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (one) DO UPDATE SET reason = $1, chain_id = $3, contract = $4, size = $5, root = $6;

-- name: halts_behind
-- The same, because a gateway keeps a checkpoint that is not here. What the chain says counts for more.
INSERT INTO log_halt (reason, found_at, size, root, origin, seen_at) VALUES ('BEHIND', $1, $2, $3, $4, $5)
ON CONFLICT (one) DO UPDATE SET reason = 'BEHIND', found_at = $1, chain_id = NULL, contract = NULL,
                                size = $2, root = $3, origin = $4, seen_at = $5
WHERE log_halt.reason = 'RESTORED' OR NOT EXISTS (SELECT FROM log_halted);

-- name: halts_end
-- An epoch has begun, or the operator has seen that the chain agrees.
DELETE FROM log_halt;

-- name: halts_asked
-- The chain has been asked about a backup that was restored, and has no more than it.
DELETE FROM log_halt WHERE reason = 'RESTORED';

-- name: halts_own
-- How many leaves there are, and the root of $1 of them where a checkpoint says it.
SELECT h.size, c.root FROM log_head h LEFT JOIN checkpoints c ON c.size = $1::bigint;

-- name: halts_backlog
-- How far the log is, how far its confirmed anchors are, and since when a checkpoint waits for one; or
-- an entry, where none is signed. A log of an older epoch was anchored elsewhere: what was kept of it
-- still is.
SELECT h.size, coalesce(a.size, 0) AS anchored,
       coalesce((SELECT min(c.at) FROM checkpoints c WHERE c.size > coalesce(a.size, 0)),
                (SELECT e.created_at FROM leaves l JOIN entries e ON e.entry_id = l.entry_id
                 WHERE l.leaf_index >= coalesce(a.size, 0) ORDER BY l.leaf_index LIMIT 1)) AS since
FROM log_head h
LEFT JOIN LATERAL (SELECT size FROM chain_transactions
                   WHERE state = 'CONFIRMED' AND size IS NOT NULL
                   ORDER BY size DESC LIMIT 1) a ON true;
