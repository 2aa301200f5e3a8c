-- Receipts of units, written together with the entries that pay for them.

-- name: books_receipts_insert
-- Insert receipts for work that was free.
INSERT INTO receipts (job_id, unit, attempt, document, hash, signature, issued_at)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::bytea[], $6::bytea[],
                     $7::timestamptz[]);

-- name: books_paid_receipts_insert
-- Insert receipts with the number of the entry that pays: the debit of a transfer of the same statement, by its key.
INSERT INTO receipts (job_id, unit, attempt, document, hash, signature, issued_at, entry_id)
SELECT n.job_id, n.unit, n.attempt, n.document, n.hash, n.signature, n.issued_at, 2 * t.id - 1
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::bytea[], $6::bytea[],
            $7::timestamptz[], $8::uuid[])
     AS n (job_id, unit, attempt, document, hash, signature, issued_at, key)
JOIN books_transfers_insert t ON t.key = n.key;

-- name: receipt_of_unit
-- The receipt of a unit, if user $3 is its creator or operator; $3 null: for any user.
SELECT r.job_id, r.unit, r.attempt, r.document, r.hash, r.signature, r.entry_id, r.issued_at
FROM receipts r JOIN jobs j ON j.id = r.job_id
WHERE r.job_id = $1 AND r.unit = $2 AND ($3::uuid IS NULL OR j.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = r.job_id AND e.unit = r.unit
                    AND e.operator_id = $3));

-- name: receipt_shown
-- The receipt of unit $2 of job $1, and how its verdict was found.
SELECT r.document, r.hash, r.issued_at, coalesce(c.device_class, '') AS device_class, c.method,
       c.compared, coalesce(c.remade, false) AS remade, c.distance, c.verifier_id IS NOT NULL AS is_verified,
       c.verifier_class, coalesce(v.is_embedded, false) AS is_embedded
FROM receipts r
LEFT JOIN checks c ON c.job_id = r.job_id AND c.unit = r.unit AND c.attempt = r.attempt
LEFT JOIN nodes v ON v.id = c.verifier_id
WHERE r.job_id = $1 AND r.unit = $2;

-- name: receipt_withdrawn
-- The entry that refunded a unit after an upheld dispute, and when that was decided.
SELECT e.entry_id, d.decided_at AS at
FROM disputes d
JOIN accounts a ON a.name = 'user:' || d.user_id
JOIN transfers t ON t.subject = a.id AND t.kind = 'REFUND'
     AND t.reference IN ('job:' || d.job_id || ':' || d.unit, 'dispute:' || d.job_id || ':' || d.unit)
JOIN entries e ON e.transfer_id = t.id AND e.account_id = a.id
WHERE d.job_id = $1 AND d.unit = $2 AND d.state = 'UPHELD'
ORDER BY e.entry_id DESC LIMIT 1;
