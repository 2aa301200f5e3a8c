-- The log over all transfers: the Sequencer's reads and writes, and the data of proofs.

-- name: log_head_make
-- Begin the log, once.
INSERT INTO log_head (origin, size, root, covered) VALUES ($1, 0, sha256(''), 0)
ON CONFLICT DO NOTHING;

-- name: log_lead
-- Try the lock of the appending gateway, to avoid waiting for the lock of the head.
SELECT pg_try_advisory_xact_lock($1) AS leads;

-- name: log_head_lock
-- Lock the head, so that appends are serialised and later reads are up to date.
SELECT size FROM log_head FOR UPDATE;

-- name: log_look
-- The head, the newest checkpoint, the valid keys, and the first $1 transfers without a leaf. Also this transaction's
-- id, if it has one, and the oldest running one.
SELECT h.origin, h.size, h.root, h.covered, c.size AS checked, c.at AS checked_at,
       ARRAY(SELECT verifier FROM log_keys) AS verifiers,
       coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) AS own,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       coalesce((SELECT max(id) FROM transfers), 0) AS newest,
       EXISTS (SELECT FROM log_halted WHERE reason <> 'RESTORED') AS halted,
       -- The inner limit leaves room for transfers above `covered` that have a leaf already. With it the index is read in
       -- order, only as far as needed.
       ARRAY(SELECT t.id
             FROM (SELECT id FROM transfers WHERE id > h.covered ORDER BY id
                   LIMIT $1 + (SELECT count(*) FROM leaves WHERE transfer > h.covered)) t
             WHERE (SELECT l.leaf_index FROM leaves l WHERE l.transfer = t.id) IS NULL -- one index lookup per transfer
             ORDER BY t.id LIMIT $1) AS waiting
FROM log_head h
LEFT JOIN LATERAL (SELECT size, at FROM checkpoints ORDER BY size DESC LIMIT 1) c ON true;

-- name: log_transfers
-- Transfers, in order.
SELECT * FROM named_transfers WHERE id = ANY($1::bigint[]) ORDER BY id;

-- name: log_unsynced
-- Leaves without a checkpoint are not published: if the server crashes, the last ones may be lost and are appended
-- again. A commit with a checkpoint also makes earlier ones durable.
SET LOCAL synchronous_commit = off;

-- name: log_leaves_insert
-- Insert leaves.
INSERT INTO leaves (leaf_index, transfer, salts, hash)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]);

-- name: log_leaves_append
-- Insert leaves of transfers $1 from index $2 on. Salts and hashes are concatenated, 64 and 32 bytes each: as array
-- elements they would cost the driver as much as the hashing.
INSERT INTO leaves (leaf_index, transfer, salts, hash)
SELECT $2::bigint + n - 1, transfer, substring($3::bytea FROM (64 * (n - 1) + 1)::int FOR 64),
       substring($4::bytea FROM (32 * (n - 1) + 1)::int FOR 32)
FROM unnest($1::bigint[]) WITH ORDINALITY AS taken (transfer, n);

-- name: log_tiles_insert
-- Insert complete log tiles.
INSERT INTO tiles (level, number, root, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[]);

-- name: log_head_write
-- Update the head.
UPDATE log_head h SET size = n.size, root = n.root, covered = n.covered, checkpoints = h.checkpoints + n.signed
FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[]) AS n (size, root, covered, signed);

-- name: log_checkpoint_insert
-- Insert a checkpoint with the next number, in one statement with the head, which counts checkpoints.
INSERT INTO checkpoints (size, root, at, note, number)
SELECT c.*, (SELECT checkpoints + 1 FROM log_head)
FROM unnest($1::bigint[], $2::bytea[], $3::timestamptz[], $4::text[]) AS c;

-- name: log_keys_insert
-- Insert valid keys ($1), with the times when they were added ($2).
INSERT INTO log_keys (verifier, added_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[]);

-- name: log_tiles_at
-- Complete log tiles, by level and number.
SELECT t.level, t.number, t.root, t.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, number)
JOIN tiles t ON t.level = k.level AND t.number = k.number;

-- name: log_leaf_hashes
-- An incomplete log tile of leaves: up to 256 from leaf $1 on.
SELECT hash FROM leaves WHERE leaf_index >= $1 AND leaf_index < $1 + 256 ORDER BY leaf_index;

-- name: log_tile_roots
-- Incomplete log tiles of higher levels: for each level $1 the roots of up to 256 tiles of the level below, from tile
-- $2 on.
SELECT k.level, t.root
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, first)
JOIN tiles t ON t.level = k.level - 1 AND t.number >= k.first AND t.number < k.first + 256
ORDER BY k.level, t.number;

-- name: log_read_leaves
-- At most $2 leaves from $1 on.
SELECT leaf_index, transfer, salts, hash FROM leaves
WHERE leaf_index >= $1 AND leaf_index < $1 + $2::bigint
ORDER BY leaf_index;

-- name: log_read_checkpoints
-- The checkpoints above one size, up to another.
SELECT size, root, at, note FROM checkpoints WHERE size > $1 AND size <= $2 ORDER BY size;

-- name: log_read_head
-- The head of the log, and the valid keys.
SELECT origin, size, root, covered, ARRAY(SELECT verifier FROM log_keys) AS verifiers FROM log_head;

-- name: log_newest_keys
-- The log's name, and the keys that were added last.
SELECT origin, ARRAY(SELECT verifier FROM log_keys WHERE added_at = (SELECT max(added_at) FROM log_keys)
                     ORDER BY verifier) AS verifiers
FROM log_head;

-- name: log_entry_of_user
-- An entry of user $1's accounts (null: of any account), by number ($2) or id ($3), with its transfer, and the leaf if
-- there is one.
SELECT t.*, e.entry_id, l.leaf_index, l.salts, l.hash
FROM named_transfers t
CROSS JOIN LATERAL (VALUES (2 * t.id - 1, t.key, t.debit), (2 * t.id, other_key(t.key), t.credit))
                   AS e (entry_id, id, account)
LEFT JOIN leaves l ON l.transfer = t.id
WHERE t.id = coalesce(($2::bigint + 1) / 2, transfer_of($3::uuid)) AND coalesce(e.entry_id = $2, e.id = $3)
  AND ($1::uuid IS NULL OR e.account IN ('user:' || $1::uuid, 'operator:' || $1::uuid, 'debt:' || $1::uuid));

-- name: log_orphan
-- The leaf of a transfer that is missing from the books.
SELECT leaf_index FROM leaves l WHERE transfer = $1
AND NOT EXISTS (SELECT FROM transfers t WHERE t.id = l.transfer);

-- name: log_checkpoint_newest
-- The newest checkpoint.
SELECT split_part(c.note, E'\n', 1) AS origin, c.size, c.root, c.at, c.note,
       ARRAY(SELECT verifier FROM log_keys ORDER BY added_at) AS verifiers
FROM checkpoints c
ORDER BY c.size DESC LIMIT 1;
