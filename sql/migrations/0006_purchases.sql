-- Purchases: what is for sale, what was bought by way of Stripe, what went back, and who owes.

CREATE TABLE skus (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 100), -- what buyers read
    units      bigint NOT NULL CHECK (units BETWEEN 1 AND 100000000000000), -- what it brings
    amount     bigint NOT NULL CHECK (amount BETWEEN 1 AND 99999999), -- in the currency's smallest unit
    currency   text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    on_sale    boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO skus (name, title, units, amount, currency) VALUES
    ('cred10', '100 credits', 1000000, 1000, 'usd'),
    ('cred50', '500 credits', 5000000, 4000, 'usd'),
    ('cred100', '1,000 credits', 10000000, 7000, 'usd');

CREATE TABLE purchases (
    id             uuid PRIMARY KEY,              -- our name for it at Stripe, and the idempotency key
    user_id        uuid NOT NULL REFERENCES users,
    sku            text NOT NULL REFERENCES skus,
    units          bigint NOT NULL CHECK (units > 0), -- these three as they were when it was opened
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    state          text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                       'OPEN',      -- not paid yet
                       'FAILED',    -- the payment did not come; -> PAID if it comes after all
                       'EXPIRED',   -- nobody paid in time; -> PAID likewise
                       'PAID')),    -- credited, once
    session        text UNIQUE,                   -- null until Stripe gave one
    url            text,                          -- where it is paid
    payment_intent text UNIQUE,                   -- what refunds and disputes name; known once paid
    refunded       bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0), -- units that were taken back
    disputed       bigint NOT NULL DEFAULT 0 CHECK (disputed >= 0), -- units that disputes took
    movements      integer NOT NULL DEFAULT 0 CHECK (movements >= 0), -- how often these two changed
    created_at     timestamptz NOT NULL,
    paid_at        timestamptz,
    CHECK (refunded + disputed <= units),
    CHECK ((state = 'PAID') = (paid_at IS NOT NULL)),
    CHECK (state <> 'PAID' OR session IS NOT NULL),
    CHECK (state = 'PAID' OR movements = 0)
);
CREATE INDEX purchases_user ON purchases (user_id, created_at DESC, id DESC);

-- What Stripe says went back. Of each object the furthest that was ever said: so events may come
-- twice and in any order. A row may be there before the purchase with its payment intent.
CREATE TABLE reversals (
    id             text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 200), -- Stripe's
    kind           text NOT NULL CHECK (kind IN (
                       'CHARGE',    -- the sum of a charge's refunds
                       'REFUND',    -- one refund
                       'DISPUTE')), -- one dispute
    payment_intent text NOT NULL CHECK (char_length(payment_intent) BETWEEN 1 AND 200),
    amount         bigint NOT NULL CHECK (amount >= 0), -- in the currency's smallest unit
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    state          text NOT NULL CHECK (state IN (
                       'PENDING',   -- nothing is taken: an inquiry, a refund that waits for the buyer
                       'COUNTS',    -- the money has gone back: an open or lost dispute, a refund
                       'VOID')),    -- it came again, for good: a dispute won, a refund that failed
    seen_at        timestamptz NOT NULL
);
CREATE INDEX reversals_payment_intent ON reversals (payment_intent);

-- Every event that Stripe sent and signed; one that comes again does nothing.
CREATE TABLE stripe_events (
    id          text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 200),
    type        text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 200),
    object      text NOT NULL CHECK (char_length(object) <= 200), -- the id of what it is about
    outcome     text NOT NULL CHECK (outcome IN (
                    'COUNTED',      -- it changed a purchase, and the books
                    'EARLY',        -- kept until its purchase is paid
                    'REPEATED',     -- said nothing new
                    'REFUSED',      -- paid, but not what the purchase costs: somebody must look
                    'IGNORED')),    -- nothing of ours, or nothing that we act on
    received_at timestamptz NOT NULL
);
CREATE INDEX stripe_events_refused ON stripe_events (received_at) WHERE outcome = 'REFUSED';
CREATE TRIGGER stripe_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stripe_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ── debt ────────────────────────────────────────────────────────────────────────────────────────

-- What could not be taken of a user stands below zero on an account of its own, 'debt:{uuid}'. The
-- user's account names it, so that whoever locks the one for a change locks the other, too.
ALTER TABLE accounts
    ADD COLUMN debt bigint REFERENCES accounts,
    ADD CHECK (name NOT LIKE 'debt:%' OR (may_overdraw AND balance <= 0));

CREATE FUNCTION name_debt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET debt = NEW.id WHERE name = 'user:' || substr(NEW.name, 6);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_debt_named AFTER INSERT ON accounts
    FOR EACH ROW WHEN (NEW.name LIKE 'debt:%') EXECUTE FUNCTION name_debt();

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        RETURN;
    END IF;
    GRANT SELECT ON skus, purchases, reversals, stripe_events TO rendertrust_app;
    GRANT INSERT, UPDATE ON skus, purchases, reversals TO rendertrust_app;
    GRANT INSERT ON stripe_events TO rendertrust_app;     -- append-only
END $$;
