-- The books: accounts, transfers and entries, holds; prices; and purchases of credits.

CREATE TABLE accounts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,            -- 'user:{uuid}', 'operator:{uuid}', 'revenue', …
    balance      bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version      bigint NOT NULL DEFAULT 0,       -- of its newest entry
    may_overdraw boolean NOT NULL DEFAULT false,  -- platform accounts and debts only
    -- What could not be taken from a user is a negative balance of an account 'debt:{uuid}'. The user's account names
    -- it, so that a lock of one for a change is a lock of the other, too.
    debt         bigint REFERENCES accounts,
    -- Tills: the busiest platform accounts have several rows, so that gateways that write at the same time do not wait
    -- for each other. A batch takes the first that is free; the balance of the account is that of all its rows.
    till_of      bigint REFERENCES accounts,      -- the account's first row; null: the account has no tills
    CHECK (may_overdraw OR balance - held >= 0),
    CHECK (name NOT LIKE 'debt:%' OR (may_overdraw AND balance <= 0)),
    CHECK (till_of IS NULL OR may_overdraw)
) WITH (fillfactor = 50); -- room for the row's next version on the same page, so that no index changes with a balance
CREATE INDEX accounts_tills ON accounts (till_of, id) WHERE till_of IS NOT NULL;

INSERT INTO accounts (name, may_overdraw) VALUES
    ('purchases', true), ('revenue', true), ('adjustments', true),
    ('payouts', true), ('disputes', true), ('suspense', true);
UPDATE accounts SET till_of = id WHERE name IN ('revenue', 'adjustments');
INSERT INTO accounts (name, may_overdraw, till_of)
SELECT a.name || ':' || n, true, a.id
FROM accounts a CROSS JOIN generate_series(1, 15) n
WHERE a.till_of = a.id ORDER BY n, a.id;

CREATE FUNCTION name_debt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET debt = NEW.id WHERE name = 'user:' || substr(NEW.name, 6);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_debt_named AFTER INSERT ON accounts
    FOR EACH ROW WHEN (NEW.name LIKE 'debt:%') EXECUTE FUNCTION name_debt();

-- Balances of the platform's accounts, each with all its tills.
CREATE VIEW platform_accounts AS
SELECT w.name, coalesce(t.balance, w.balance)::bigint AS balance, t.used AS tills_used
FROM accounts w
CROSS JOIN LATERAL (SELECT sum(balance) AS balance, count(*) FILTER (WHERE version > 0) AS used
                    FROM accounts WHERE till_of = w.id) t
WHERE w.name IN ('purchases', 'revenue', 'adjustments', 'payouts', 'disputes', 'suspense');

CREATE TABLE transfers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY CONSTRAINT transfers_number CHECK (id > 0),
    debit       bigint NOT NULL REFERENCES accounts,
    credit      bigint NOT NULL REFERENCES accounts,
    subject     bigint NOT NULL,                  -- the side whose reference it is: debit or credit
    amount      bigint NOT NULL CHECK (amount > 0),
    kind        text NOT NULL CHECK (kind IN (
                    'STRIPE',      -- purchases -> user: bought credits
                    'USAGE',       -- user -> revenue: a unit was charged
                    'ADJUSTMENT',  -- by an admin, either way
                    'REFUND',      -- revenue -> user: a charge was refunded
                    'DEDUCTION',   -- by the user; such references collide with no others
                    'EARNING',     -- revenue -> operator, or suspense while the node has no owner
                    'CLAIM',       -- suspense -> operator: the node has an owner now
                    'REVERSAL',    -- operator -> revenue: a dispute was upheld
                    'FINE',        -- operator -> revenue: for an invalid result; back where it was no strike after all
                    'PAYOUT')),    -- operator -> user as credits, or -> payouts as money
    reference   text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 255),
    description text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    written     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint, -- transaction, for incremental audits
    CHECK (debit <> credit),
    CHECK (subject IN (debit, credit)),
    UNIQUE (subject, kind, reference)             -- posting twice under one reference moves money once
);
-- Transfers are inserted in the order of these columns, so block ranges are small and precise.
CREATE INDEX transfers_created ON transfers USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX transfers_written ON transfers USING brin (written) WITH (autosummarize = on);
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE entries (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
    transfer_id bigint NOT NULL REFERENCES transfers,
    account_id  bigint NOT NULL REFERENCES accounts,
    version     bigint NOT NULL,                  -- 1, 2, 3 … per account, without a gap
    amount      bigint NOT NULL CHECK (amount <> 0), -- a debit is negative
    before      bigint NOT NULL,
    after       bigint NOT NULL,
    receipt     bytea CHECK (octet_length(receipt) = 32), -- SHA-256 of the render receipt that it pays for
    created_at  timestamptz NOT NULL,
    written     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint, -- transaction, for incremental audits
    UNIQUE (account_id, version),
    CHECK (after = before + amount),
    CONSTRAINT entries_number CHECK (entry_id > 0 AND version > 0)
);
CREATE INDEX entries_transfer ON entries (transfer_id);
CREATE INDEX entries_written ON entries USING brin (written) WITH (autosummarize = on);
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Refuse numbers that no sequence gave, and entries below what the log covers: these would never have a leaf, and those
-- would make the log skip all numbers in between. One look per statement, however many rows it writes. In read
-- committed only: an older snapshot does not show what the log covers now.
CREATE FUNCTION refuse_other_numbers() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    least bigint;
    most  bigint;
    given bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is written to in read committed alone', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_TABLE_NAME = 'entries' THEN
        SELECT min(entry_id), max(entry_id) INTO least, most FROM written_now;
        IF least <= (SELECT covered FROM public.log_head) THEN
            RAISE EXCEPTION 'entry % is of a number that the log has passed', least
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        given := pg_sequence_last_value('public.entries_entry_id_seq');
    ELSE
        SELECT max(id) INTO most FROM written_now;
        given := pg_sequence_last_value('public.transfers_id_seq');
    END IF;
    IF most > coalesce(given, 0) THEN
        RAISE EXCEPTION '% has number %, which no sequence gave', TG_TABLE_NAME, most
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_numbered AFTER INSERT ON transfers REFERENCING NEW TABLE AS written_now
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_numbers();
CREATE TRIGGER entries_numbered AFTER INSERT ON entries REFERENCING NEW TABLE AS written_now
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_numbers();

-- Credits that are set aside for units.
CREATE TABLE holds (
    id         uuid PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    reference  text NOT NULL UNIQUE,              -- 'job:{id}:{unit}'
    amount     bigint NOT NULL CHECK (amount > 0),
    settled    bigint NOT NULL DEFAULT 0,
    state      text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                   'OPEN',       -- becomes SETTLED or RELEASED, once
                   'SETTLED',    -- charged, wholly or in part; the rest went back
                   'RELEASED')), -- nothing charged
    created_at timestamptz NOT NULL,
    closed_at  timestamptz,
    CHECK (settled BETWEEN 0 AND amount),
    CHECK ((state = 'OPEN') = (closed_at IS NULL)),
    CHECK (state = 'SETTLED' OR settled = 0)
);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'OPEN';

-- Answers to requests that came with an idempotency key.
CREATE TABLE idempotency_keys (
    user_id    uuid NOT NULL REFERENCES users,
    key        text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    request    bytea NOT NULL CHECK (octet_length(request) = 32), -- SHA-256 of the request
    answer     jsonb NOT NULL,                    -- {status, body}
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- ── prices and purchases ────────────────────────────────────────────────────────────────────────

-- Every price that was ever set: the newest row of a job type is its price.
CREATE TABLE prices (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- later changes have greater numbers
    job_type   text NOT NULL CHECK (char_length(job_type) BETWEEN 1 AND 100), -- '*': every type without its own
    units      bigint CHECK (units >= 0),         -- per job; null: the type has lost its separate price
    since      timestamptz NOT NULL,
    changed_by text NOT NULL,                     -- as in the audit; '': a migration
    reason     text NOT NULL CHECK (char_length(reason) <= 500),
    CHECK (units IS NOT NULL OR job_type <> '*')
);
CREATE INDEX prices_job_type ON prices (job_type, number DESC);
CREATE TRIGGER prices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO prices (job_type, units, since, changed_by, reason) VALUES
    ('render', 100000, now(), '', ''), ('inference', 50000, now(), '', ''),
    ('cpu_benchmark', 10000, now(), '', ''), ('echo', 0, now(), '', ''), ('*', 10000, now(), '', '');

-- What is for sale.
CREATE TABLE skus (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 100), -- what buyers read
    units      bigint NOT NULL CHECK (units BETWEEN 1 AND 100000000000000), -- what the buyer gets
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
    id             uuid PRIMARY KEY,              -- also its name at Stripe, and the idempotency key
    user_id        uuid NOT NULL REFERENCES users,
    sku            text NOT NULL REFERENCES skus,
    units          bigint NOT NULL CHECK (units > 0), -- this and the next two as they were when it was opened
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    state          text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                       'OPEN',      -- not paid yet
                       'FAILED',    -- the payment failed; becomes PAID if it arrives after all
                       'EXPIRED',   -- not paid in time; likewise
                       'PAID')),    -- credited, once
    session        text UNIQUE,                   -- null until Stripe gave one
    url            text,                          -- where it is paid
    payment_intent text UNIQUE,                   -- what refunds and disputes name; known once it is paid
    refunded       bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0), -- units that refunds took back
    disputed       bigint NOT NULL DEFAULT 0 CHECK (disputed >= 0), -- units that disputes took back
    movements      integer NOT NULL DEFAULT 0 CHECK (movements >= 0), -- how often these two changed
    created_at     timestamptz NOT NULL,
    paid_at        timestamptz,
    CHECK (refunded + disputed <= units),
    CHECK ((state = 'PAID') = (paid_at IS NOT NULL)),
    CHECK (state <> 'PAID' OR session IS NOT NULL),
    CHECK (state = 'PAID' OR movements = 0)
);
CREATE INDEX purchases_user ON purchases (user_id, created_at DESC, id DESC);

-- What Stripe says went back: of each object its furthest state, so that events may come twice and in any order. A row
-- may be there before the purchase with its payment intent.
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
                       'COUNTS',    -- the money went back: an open or lost dispute, a refund
                       'VOID')),    -- it returned for good: a dispute won, a refund that failed
    seen_at        timestamptz NOT NULL
);
CREATE INDEX reversals_payment_intent ON reversals (payment_intent);

-- Every event that Stripe sent and signed. One that comes again does nothing.
CREATE TABLE stripe_events (
    id          text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 200),
    type        text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 200),
    object      text NOT NULL CHECK (char_length(object) <= 200), -- the id of what it is about
    outcome     text NOT NULL CHECK (outcome IN (
                    'COUNTED',      -- it changed a purchase, and the books
                    'EARLY',        -- kept until its purchase is paid
                    'REPEATED',     -- said nothing new
                    'REFUSED',      -- paid, but not what the purchase costs: an admin must look
                    'IGNORED')),    -- not ours, or nothing that we act on
    received_at timestamptz NOT NULL
);
CREATE TRIGGER stripe_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stripe_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON platform_accounts, transfers, entries TO rendertrust_app;
        -- `written` is not the gateway's to say.
        GRANT INSERT (id, debit, credit, subject, amount, kind, reference, description, created_at)
            ON transfers TO rendertrust_app;
        GRANT INSERT (entry_id, id, transfer_id, account_id, version, amount, before, after, created_at, receipt)
            ON entries TO rendertrust_app;
        GRANT USAGE ON SEQUENCE accounts_id_seq, transfers_id_seq, entries_entry_id_seq TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON accounts, holds, skus, purchases, reversals TO rendertrust_app;
        GRANT SELECT, INSERT ON idempotency_keys, prices, stripe_events TO rendertrust_app; -- append-only
    END IF;
END $$;
