-- Purchases through Stripe. Only the Ledger writes them, by the queries books_….

-- name: books_purchase_owners
-- The owners of these purchases, by id ($1), session ($2) and payment intent ($3), and whether any of them has a
-- reversal. A purchase never changes its owner.
SELECT p.user_id,
       bool_or(EXISTS (SELECT FROM reversals r
                       WHERE r.payment_intent = p.payment_intent
                          OR r.payment_intent = ANY($3::text[]))) AS reversed
FROM purchases p
WHERE p.id = ANY($1::uuid[]) OR p.session = ANY($2::text[]) OR p.payment_intent = ANY($3::text[])
GROUP BY p.user_id;

-- name: books_purchases_lock
-- In one row: these purchases, their reversals and those with the ids $4, and which of the events $5 are known.
-- Events are processed only under the lock on the account purchases.
SELECT ARRAY(SELECT p FROM purchases p
             WHERE p.id = ANY($1::uuid[]) OR p.session = ANY($2::text[])
                OR p.payment_intent = ANY($3::text[])
             ORDER BY p.id FOR UPDATE) AS purchases,
       ARRAY(SELECT r FROM reversals r
             WHERE r.id = ANY($4::text[]) OR r.payment_intent IN (
                 SELECT unnest($3::text[])
                 UNION SELECT p.payment_intent FROM purchases p
                       WHERE p.id = ANY($1::uuid[]) OR p.session = ANY($2::text[]))
             ORDER BY r.id) AS reversals,
       ARRAY(SELECT e FROM stripe_events e WHERE e.id = ANY($5::text[])) AS events;

-- name: books_purchases_insert
-- Insert purchases; some are paid within the same batch.
INSERT INTO purchases (id, user_id, sku, units, amount, currency, created_at, state, session, url,
                       payment_intent, refunded, disputed, movements, paid_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
                     $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[],
                     $12::bigint[], $13::bigint[], $14::integer[], $15::timestamptz[]);

-- name: books_purchases_update
-- Update purchases.
UPDATE purchases p SET state = n.state, session = n.session, url = n.url,
                       payment_intent = n.payment_intent, refunded = n.refunded,
                       disputed = n.disputed, movements = n.movements, paid_at = n.paid_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
            $7::bigint[], $8::integer[], $9::timestamptz[])
     AS n (id, state, session, url, payment_intent, refunded, disputed, movements, paid_at)
WHERE p.id = n.id;

-- name: books_reversals_put
-- Insert or update reversals.
INSERT INTO reversals (id, kind, payment_intent, amount, currency, state, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                     $7::timestamptz[])
ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, state = excluded.state;

-- name: books_events_insert
-- Insert events with their outcomes.
INSERT INTO stripe_events (id, type, object, outcome, received_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]);

-- name: books_debts_lock
-- Lock the debt accounts of users whose accounts are locked; users' accounts always come first.
SELECT id, name, balance, held, version, may_overdraw, debt FROM accounts
WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE;

-- name: purchase_of_user
-- A purchase of this user.
SELECT id, user_id, sku, units, amount, currency, state, session, url, payment_intent, refunded,
       disputed, movements, created_at, paid_at
FROM purchases WHERE id = $1 AND user_id = $2;

-- name: purchase_open_session
-- Stripe's session of a purchase that is not paid yet.
SELECT session FROM purchases WHERE id = $1 AND state = 'OPEN' AND session IS NOT NULL;

-- name: purchases_newest
-- A user's purchases, newest first.
SELECT id, user_id, sku, units, amount, currency, state, session, url, payment_intent, refunded,
       disputed, movements, created_at, paid_at
FROM purchases WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT $2 OFFSET $3;

-- name: purchases_count
-- Count a user's purchases.
SELECT count(*) FROM purchases WHERE user_id = $1;

-- name: purchase_under_key
-- A user's stored answer under an idempotency key.
SELECT request, answer FROM idempotency_keys WHERE user_id = $1 AND key = $2;
