-- name: skus_all
-- What can be bought, and what could be once; the cheapest first.
SELECT name, title, units, amount, currency, on_sale, changed_at FROM skus
WHERE on_sale OR $1::boolean ORDER BY currency, amount, name;

-- name: sku_by_name
-- One of them, on sale or not.
SELECT name, title, units, amount, currency, on_sale, changed_at FROM skus WHERE name = $1;

-- name: sku_put
-- Make one, or change it: for purchases that are opened from now on.
INSERT INTO skus (name, title, units, amount, currency, on_sale, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO UPDATE SET title = excluded.title, units = excluded.units,
    amount = excluded.amount, currency = excluded.currency, on_sale = excluded.on_sale,
    changed_at = excluded.changed_at
RETURNING name, title, units, amount, currency, on_sale, changed_at;
