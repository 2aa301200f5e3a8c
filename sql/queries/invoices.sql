-- Invoices of purchases and their credit notes. The web writes invoices; neither ever changes.

-- name: invoice_of_purchase
-- The invoice of a user's purchase, with what was bought.
SELECT i.number, i.issued_at, i.seller, i.buyer, i.prefix, i.title, i.tax_name, i.tax, i.note, p.id AS purchase_id,
       p.units, p.amount, p.currency, p.paid_at
FROM invoices i JOIN purchases p ON p.id = i.purchase_id
WHERE p.id = $1 AND p.user_id = $2;

-- name: invoices_lock
-- Let only this transaction give a number.
SELECT pg_advisory_xact_lock(hashtext('invoices'));

-- name: invoice_issue
-- Insert the invoice of a paid purchase with the next number, unless it has one.
INSERT INTO invoices (number, purchase_id, issued_at, seller, buyer, prefix, title, tax_name, tax, note)
SELECT coalesce((SELECT max(number) FROM invoices), 0) + 1, p.id, $3, $4, $5, $6, $7, $8, $9, $10
FROM purchases p
WHERE p.id = $1 AND p.user_id = $2 AND p.state = 'PAID'
ON CONFLICT (purchase_id) DO NOTHING;

-- name: invoice_credit_note
-- Issue the credit note of a purchase whose refund came before its invoice.
CALL issue_credit_note($1);

-- name: credit_note_of_user
-- A user's credit note by its number, with its invoice and what was bought.
SELECT c.number, c.issued_at, c.units, c.amount, i.number AS invoice, i.issued_at AS invoiced_at, i.seller, i.buyer,
       i.prefix, i.title, i.tax_name, i.tax, i.note, p.id AS purchase_id, p.currency
FROM credit_notes c JOIN invoices i ON i.number = c.invoice JOIN purchases p ON p.id = i.purchase_id
WHERE c.number = $1 AND p.id = $2 AND p.user_id = $3;

-- name: credit_notes_of
-- The credit notes of these purchases, oldest first.
SELECT i.purchase_id, c.number, i.prefix, c.issued_at, c.units, c.amount
FROM credit_notes c JOIN invoices i ON i.number = c.invoice
WHERE i.purchase_id = ANY($1::uuid[]) ORDER BY c.number;

-- name: documents_of_period
-- The invoices and credit notes of a user from $2 until before $3, oldest first, at most $4. `invoice`: of a credit
-- note, the number of its invoice.
SELECT d.number, d.invoice, i.prefix, d.issued_at, d.units, d.amount, p.currency
FROM purchases p
JOIN invoices i ON i.purchase_id = p.id
CROSS JOIN LATERAL (
    SELECT i.number, NULL::bigint AS invoice, i.issued_at, p.units, p.amount
    UNION ALL
    SELECT c.number, c.invoice, c.issued_at, -c.units, -c.amount FROM credit_notes c WHERE c.invoice = i.number
) d
WHERE p.user_id = $1 AND d.issued_at >= $2 AND d.issued_at < $3
ORDER BY d.issued_at, d.invoice IS NOT NULL, d.number LIMIT $4;
