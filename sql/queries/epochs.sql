-- Epochs of the log.

-- name: epochs_all
-- Every epoch after the first, in order.
SELECT number, leaf_index, leaf, origin, chain_id, contract, size, root, at FROM epochs ORDER BY number;

-- name: epochs_head
-- The log's name and end, locked; and the number of the next epoch.
SELECT h.origin, h.size, h.root, h.covered, (SELECT coalesce(max(number), 1) + 1 FROM epochs) AS next
FROM log_head h FOR UPDATE OF h;

-- name: epochs_insert
-- Insert an epoch with its leaf.
INSERT INTO epochs (number, leaf_index, leaf, origin, chain_id, contract, size, root, sender, nonce, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: epochs_rename
-- Rename the log.
UPDATE log_head SET origin = $1;

-- name: epochs_keys
-- Make every valid key valid under the new name too.
INSERT INTO log_keys (verifier, added_at) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING;

-- name: epochs_known
-- The valid keys, newest last.
SELECT verifier FROM log_keys ORDER BY added_at;

-- name: epochs_next_nonce
-- The lowest unused number of a sender, as far as the database knows.
SELECT coalesce(max(nonce) + 1, 0) AS next FROM chain_transactions WHERE chain_id = $1 AND sender = $2;

-- name: epochs_given_up
-- The leaves that each epoch gave up: according to its audit record, which also knows gateways' checkpoints;
-- otherwise according to what the chain had.
SELECT number, at, origin, first, last
FROM (SELECT e.number, e.at, e.origin,
             coalesce(CASE WHEN jsonb_typeof(a.details -> 'kept_at_most') = 'number'
                           THEN (a.details ->> 'kept_at_most')::bigint END, e.leaf_index) AS first,
             greatest(e.size, CASE WHEN jsonb_typeof(a.details -> 'known') = 'number'
                                   THEN (a.details ->> 'known')::bigint END) - 1 AS last
      FROM epochs e
      LEFT JOIN LATERAL (SELECT details FROM audit
                         WHERE act = 'chain.reopen' AND target = 'log:' || e.origin
                         ORDER BY number DESC LIMIT 1) a ON true) g
WHERE last >= first ORDER BY number;
