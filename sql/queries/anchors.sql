-- Transactions that the Anchor sent to a chain, and their outcomes.

-- name: anchors_of_sender
-- A sender's transactions that are pending, or that the chain lost (numbered from $3 on), and the newest contract and
-- newest anchor of this epoch; in order of numbers.
SELECT chain_id, sender, nonce, contract, size, root, raw, hashes, state, block_number, bid_at, mined_hash,
       block_hash, (SELECT split_part(c.note, E'\n', 1) FROM checkpoints c WHERE c.size = t.size) AS origin
FROM chain_transactions t
WHERE chain_id = $1 AND sender = $2
  AND (state = 'PENDING' OR nonce >= $3
       OR nonce IN (SELECT max(nonce) FROM chain_transactions
                    WHERE chain_id = $1 AND sender = $2 AND state = 'CONFIRMED'
                      AND nonce >= coalesce((SELECT max(e.nonce) FROM epochs e
                                             WHERE e.chain_id = $1 AND e.sender = $2), 0)
                    GROUP BY size IS NULL))
ORDER BY nonce;

-- name: anchors_failed
-- The newest failed transactions of this epoch numbered below $3, in order of numbers.
SELECT * FROM (
    SELECT chain_id, sender, nonce, contract, size, root, raw, hashes, state, block_number, bid_at, mined_hash,
           block_hash, (SELECT split_part(c.note, E'\n', 1) FROM checkpoints c WHERE c.size = t.size) AS origin
    FROM chain_transactions t
    WHERE chain_id = $1 AND sender = $2 AND nonce < $3 AND state = 'FAILED'
      AND nonce >= coalesce((SELECT max(e.nonce) FROM epochs e WHERE e.chain_id = $1 AND e.sender = $2), 0)
    ORDER BY nonce DESC LIMIT $4
) newest
ORDER BY nonce;

-- name: anchors_insert
-- Insert a transaction before it is sent; no row if its number is taken.
INSERT INTO chain_transactions (chain_id, sender, nonce, contract, size, root, raw, hashes, state,
                                created_at, bid_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, ARRAY[$8::text], 'PENDING', $9, $9)
ON CONFLICT DO NOTHING RETURNING nonce;

-- name: anchors_bid
-- Store a new version of a transaction, with a higher fee; no row if another gateway was faster.
UPDATE chain_transactions SET raw = $5, hashes = hashes || $6::text, bid_at = $7
WHERE chain_id = $1 AND sender = $2 AND nonce = $3 AND hashes[cardinality(hashes)] = $4
RETURNING nonce;

-- name: anchors_state
-- Store the outcome; $8: the version in the block, $9: the block's hash, $10: the signed anchor note.
UPDATE chain_transactions SET state = $4, block_number = $5, error = $6, mined_hash = $8, block_hash = $9, note = $10,
                              confirmed_at = CASE WHEN $4 = 'CONFIRMED' THEN $7::timestamptz END
WHERE chain_id = $1 AND sender = $2 AND nonce = $3;

-- name: anchors_due
-- The newest checkpoint that is not empty.
SELECT size, root FROM checkpoints WHERE size > 0 ORDER BY size DESC LIMIT 1;

-- name: anchors_page
-- Anchors since $1, newest first.
SELECT chain_id, contract, size, root, coalesce(mined_hash, hashes[cardinality(hashes)]) AS hash, state, block_number, error,
       created_at, confirmed_at
FROM chain_transactions
WHERE size IS NOT NULL AND created_at >= coalesce($1::timestamptz, '-infinity')
ORDER BY created_at DESC, nonce DESC
LIMIT $2 OFFSET $3;

-- name: anchors_count
-- Count the anchors since $1.
SELECT count(*) FROM chain_transactions
WHERE size IS NOT NULL AND created_at >= coalesce($1::timestamptz, '-infinity');

-- name: anchors_covering
-- The newest confirmed anchor that covers leaf $1, with its checkpoint. An anchor on the newest anchor's chain is
-- preferred, as a gateway may have changed its chain.
SELECT t.chain_id, t.contract, coalesce(t.mined_hash, t.hashes[cardinality(t.hashes)]) AS hash,
       t.block_number, t.block_hash, t.note AS anchor, split_part(c.note, E'\n', 1) AS origin, c.size, c.root, c.at, c.note, ARRAY(SELECT verifier FROM log_keys ORDER BY added_at) AS verifiers
FROM chain_transactions t
JOIN checkpoints c ON c.size = t.size
WHERE t.state = 'CONFIRMED' AND t.size > $1
ORDER BY t.chain_id = (SELECT l.chain_id FROM chain_transactions l
                       WHERE l.state = 'CONFIRMED' AND l.size IS NOT NULL
                       ORDER BY l.confirmed_at DESC LIMIT 1) DESC, t.size DESC LIMIT 1;

-- name: anchors_noted
-- The signed note of the newest confirmed anchor.
SELECT note FROM chain_transactions
WHERE state = 'CONFIRMED' AND size IS NOT NULL AND note IS NOT NULL ORDER BY size DESC LIMIT 1;

-- name: anchors_unknown
-- Numbers below $3 that a sender used in this epoch and that no row has: above the highest that a row has, the first
-- 256 (a deployment would be among them) and the newest 1024; and 256 below the lowest.
WITH epoch AS (
    SELECT coalesce(max(e.nonce), 0) AS first FROM epochs e WHERE e.chain_id = $1 AND e.sender = $2
), known AS (
    SELECT epoch.first, min(t.nonce) AS lowest,
           greatest(coalesce(max(t.nonce) + 1, 0), epoch.first) AS next
    FROM epoch LEFT JOIN chain_transactions t
      ON t.chain_id = $1 AND t.sender = $2 AND t.nonce >= epoch.first
    GROUP BY epoch.first
)
SELECT n AS nonce FROM known, generate_series(known.next, least(known.next + 255, $3::bigint - 1)) AS n
UNION
SELECT n FROM known, generate_series(greatest(known.next, $3::bigint - 1024), $3::bigint - 1) AS n
UNION
SELECT n FROM known, generate_series(greatest(known.first, known.lowest - 256), known.lowest - 1) AS n
ORDER BY 1;

-- name: anchors_holes
-- The first 256 numbers of a sender in this epoch that lie between numbers with rows and have no row.
SELECT n AS nonce
FROM (SELECT greatest(min(nonce), coalesce((SELECT max(e.nonce) FROM epochs e
                                            WHERE e.chain_id = $1 AND e.sender = $2), 0)) AS first,
             max(nonce) AS last
      FROM chain_transactions WHERE chain_id = $1 AND sender = $2) s,
     LATERAL generate_series(s.first, s.last) AS n
WHERE NOT EXISTS (SELECT FROM chain_transactions t
                  WHERE t.chain_id = $1 AND t.sender = $2 AND t.nonce = n)
ORDER BY n LIMIT 256;

-- name: anchors_unmade
-- Contracts of a sender's anchors in this epoch whose deployment has no row.
SELECT DISTINCT t.contract FROM chain_transactions t
WHERE t.chain_id = $1 AND t.sender = $2 AND t.size IS NOT NULL
  AND t.nonce >= coalesce((SELECT max(e.nonce) FROM epochs e
                           WHERE e.chain_id = $1 AND e.sender = $2), 0)
  AND NOT EXISTS (SELECT FROM chain_transactions m WHERE m.chain_id = t.chain_id
                  AND m.contract = t.contract AND m.size IS NULL)
ORDER BY t.contract;

-- name: anchors_confirmed
-- The newest $1 confirmed anchors, of any contract.
SELECT chain_id, contract, size, root FROM chain_transactions
WHERE state = 'CONFIRMED' AND size IS NOT NULL ORDER BY size DESC LIMIT $1;

-- name: anchors_contracts
-- A sender's contracts of this epoch, each with the largest size of its anchors that have not failed.
SELECT contract, coalesce(max(size) FILTER (WHERE state <> 'FAILED'), 0) AS size
FROM chain_transactions
WHERE chain_id = $1 AND sender = $2
  AND nonce >= coalesce((SELECT max(e.nonce) FROM epochs e
                         WHERE e.chain_id = $1 AND e.sender = $2), 0)
GROUP BY contract;

-- name: anchors_first
-- The lowest known number of a sender.
SELECT min(nonce) AS nonce FROM chain_transactions WHERE chain_id = $1 AND sender = $2;
