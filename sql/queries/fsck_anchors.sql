-- I12: the database's record of the chain agrees with the log. The chain itself is checked where there is one
-- (`rendertrust fsck` and the Anchor).

-- name: fsck_whole_i12_roots
-- An anchor has the root of the checkpoint of its size.
SELECT 'anchor ' || t.size AS subject,
       'its root is ' || encode(t.root, 'hex') || ', the checkpoint''s '
           || coalesce(encode(c.root, 'hex'), 'missing') AS found
FROM chain_transactions t LEFT JOIN checkpoints c ON c.size = t.size
WHERE t.size IS NOT NULL AND t.root IS DISTINCT FROM c.root
ORDER BY t.size;

-- name: fsck_whole_i12_numbers
-- A sender's transactions are numbered without gaps, except for what an epoch left behind.
SELECT 'transaction ' || n.nonce || ' of ' || s.sender AS subject,
       'is missing, and there are later ones on chain ' || s.chain_id AS found
FROM (SELECT chain_id, sender, min(nonce) AS first, max(nonce) AS last
      FROM chain_transactions GROUP BY chain_id, sender) s,
     LATERAL generate_series(s.first, s.last) AS n (nonce)
WHERE NOT EXISTS (SELECT FROM chain_transactions t
                  WHERE t.chain_id = s.chain_id AND t.sender = s.sender AND t.nonce = n.nonce)
  AND NOT EXISTS (SELECT FROM epochs e
                  WHERE e.chain_id = s.chain_id AND e.sender = s.sender AND n.nonce < e.nonce)
ORDER BY s.chain_id, s.sender, n.nonce;

-- name: fsck_whole_i12_contracts
-- The deployment of each anchor's contract is known.
SELECT 'contract ' || t.contract AS subject,
       count(*) || ' anchors on chain ' || t.chain_id || ', but not the transaction that made it' AS found
FROM chain_transactions t
WHERE t.size IS NOT NULL
  AND NOT EXISTS (SELECT FROM chain_transactions m
                  WHERE m.chain_id = t.chain_id AND m.contract = t.contract AND m.size IS NULL)
GROUP BY t.chain_id, t.contract
ORDER BY t.contract;

-- name: fsck_whole_i12_epochs
-- Each epoch has its leaf, and the log has the name of the newest.
SELECT 'epoch ' || e.number AS subject,
       CASE WHEN l.leaf_index IS NULL THEN 'has no leaf at ' || e.leaf_index
            ELSE 'its name is ' || e.origin || ', the log''s ' || h.origin END AS found
FROM epochs e
LEFT JOIN leaves l ON l.leaf_index = e.leaf_index AND l.entry_id IS NULL
LEFT JOIN log_head h ON true
WHERE l.leaf_index IS NULL
   OR (e.number = (SELECT max(number) FROM epochs) AND h.origin IS DISTINCT FROM e.origin)
ORDER BY e.number;

-- name: fsck_whole_i12_origin
-- The log's name is that of its newest checkpoint, or of an epoch that has none yet.
SELECT 'the log''s name' AS subject,
       'is ' || h.origin || ', its newest checkpoint''s ' || split_part(c.note, E'\n', 1) AS found
FROM log_head h, (SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1) c
WHERE split_part(c.note, E'\n', 1) <> h.origin
  AND NOT EXISTS (SELECT FROM epochs e
                  WHERE e.origin = h.origin AND e.number = (SELECT max(number) FROM epochs));

-- name: fsck_whole_i12_halt
-- The chain has nothing that the log lacks.
SELECT CASE reason WHEN 'BEHIND' THEN 'checkpoint ' || size ELSE 'chain ' || chain_id END AS subject,
       CASE reason WHEN 'BEHIND' THEN 'a gateway signed '
                        ELSE 'contract ' || contract || ' has ' END
           || size || ' leaves with the root ' || encode(root, 'hex')
           || ', the log ' || coalesce((SELECT log_head.size FROM log_head), 0)
           || ' and not that root: nothing is written until `rendertrust chain reopen`' AS found
FROM log_halted WHERE reason <> 'RESTORED';

-- name: fsck_log_keys
-- The valid keys.
SELECT verifier FROM log_keys ORDER BY added_at;

-- name: fsck_anchor_notes
-- Confirmed anchors with their signed notes, newest first.
SELECT split_part(c.note, E'\n', 1) AS origin, t.chain_id, t.contract, t.size, t.root,
       coalesce(t.mined_hash, t.hashes[cardinality(t.hashes)]) AS hash, t.block_number, t.note
FROM chain_transactions t JOIN checkpoints c ON c.size = t.size
WHERE t.state = 'CONFIRMED' AND t.note IS NOT NULL
ORDER BY t.size DESC;
