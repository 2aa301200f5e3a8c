-- name: skus_all
-- SKUs on sale, cheapest first; with $1 also former ones.
SELECT name, title, units, amount, currency, on_sale, changed_at FROM skus
WHERE on_sale OR $1::boolean ORDER BY currency, amount, name;

-- name: sku_by_name
-- One SKU, on sale or not.
SELECT name, title, units, amount, currency, on_sale, changed_at FROM skus WHERE name = $1;

-- name: sku_put
-- Insert or update an SKU, for purchases opened from now on.
INSERT INTO skus (name, title, units, amount, currency, on_sale, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO UPDATE SET title = excluded.title, units = excluded.units,
    amount = excluded.amount, currency = excluded.currency, on_sale = excluded.on_sale,
    changed_at = excluded.changed_at
RETURNING name, title, units, amount, currency, on_sale, changed_at;
