-- Receipts of units: written with the entry that pays, read by whoever wants to show what he got.

-- name: books_receipts_insert
-- New receipts.
INSERT INTO receipts (job_id, unit, attempt, document, hash, signature, entry_id, issued_at)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::bytea[], $6::bytea[],
                     $7::bigint[], $8::timestamptz[]);

-- name: receipt_of_unit
-- The receipt of a unit of a job of user $3's, or that he earned by; null: of anybody's.
SELECT r.job_id, r.unit, r.attempt, r.document, r.hash, r.signature, r.entry_id, r.issued_at
FROM receipts r JOIN jobs j ON j.id = r.job_id
WHERE r.job_id = $1 AND r.unit = $2 AND ($3::uuid IS NULL OR j.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = r.job_id AND e.unit = r.unit AND e.work = 'RENDER'
                    AND e.operator_id = $3));
