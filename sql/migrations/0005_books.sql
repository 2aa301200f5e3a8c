-- The books: accounts, transfers and entries, holds; prices; and purchases of credits.

CREATE TABLE accounts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,            -- 'user:{uuid}', 'operator:{uuid}', 'revenue', …
    balance      bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version      bigint NOT NULL DEFAULT 0,       -- of its newest entry
    may_overdraw boolean NOT NULL DEFAULT false,  -- only for platform accounts and debts
    -- What could not be taken from a user is the negative balance of an account 'debt:{uuid}'. The user's account
    -- refers to it, so that a transaction that locks the one for a change also locks the other.
    debt         bigint REFERENCES accounts,
    -- Shards: the busiest platform accounts have several rows, so that gateways that write at the same time do not
    -- wait for each other. A batch takes the first free shard; the account's balance is the sum over its shards.
    shard_of     bigint REFERENCES accounts,      -- the account's first shard, which names itself; null: not sharded
    is_closed    boolean NOT NULL DEFAULT false,  -- its user was deleted: no new jobs, holds or purchases
    CHECK (may_overdraw OR balance - held >= 0),
    CHECK (name NOT LIKE 'debt:%' OR (may_overdraw AND balance <= 0)),
    CHECK (shard_of IS NULL OR may_overdraw)
    -- room for the row's next version on the same page, so that changes of the balance need no index writes
) WITH (fillfactor = 50);
CREATE INDEX accounts_shards ON accounts (shard_of, id) WHERE shard_of IS NOT NULL;

INSERT INTO accounts (name, may_overdraw) VALUES
    ('purchases', true), ('revenue', true), ('adjustments', true),
    ('payouts', true), ('disputes', true), ('suspense', true);
UPDATE accounts SET shard_of = id WHERE name IN ('revenue', 'adjustments');
INSERT INTO accounts (name, may_overdraw, shard_of)
SELECT a.name || ':' || n, true, a.id
FROM accounts a CROSS JOIN generate_series(1, 15) n
WHERE a.shard_of = a.id ORDER BY n, a.id;

CREATE FUNCTION name_debt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET debt = NEW.id WHERE name = 'user:' || substr(NEW.name, 6);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_debt_named AFTER INSERT ON accounts
    FOR EACH ROW WHEN (NEW.name LIKE 'debt:%') EXECUTE FUNCTION name_debt();

-- Balances of the platform's accounts, each summed over its shards.
CREATE VIEW platform_accounts AS
SELECT w.name, coalesce(t.balance, w.balance)::bigint AS balance, t.used AS shards_used
FROM accounts w
CROSS JOIN LATERAL (SELECT sum(balance) AS balance, count(*) FILTER (WHERE version > 0) AS used
                    FROM accounts WHERE shard_of = w.id) t
WHERE w.name IN ('purchases', 'revenue', 'adjustments', 'payouts', 'disputes', 'suspense');

-- A row holds both sides of a transfer: the view `entries` has one row per side. Accounts are not foreign keys: the
-- statement that inserts a transfer also updates both accounts, and fsck finds accounts that are missing.
CREATE TABLE transfers (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY CONSTRAINT transfers_number CHECK (id > 0),
    debit          bigint NOT NULL,
    credit         bigint NOT NULL,
    subject        bigint NOT NULL,               -- the account, debit or credit, within which the reference is unique
    amount         bigint NOT NULL CHECK (amount > 0),
    kind           text NOT NULL CHECK (kind IN (
                       'STRIPE',      -- purchases -> user: bought credits
                       'USAGE',       -- user -> revenue: a unit was charged
                       'ADJUSTMENT',  -- by an admin, in either direction
                       'REFUND',      -- revenue -> user: a charge was refunded
                       'DEDUCTION',   -- by the user; its references are separate from those of other kinds
                       'EARNING',     -- revenue -> operator, or suspense while the node has no owner
                       'CLAIM',       -- suspense -> operator: the node has an owner now
                       'REVERSAL',    -- operator -> revenue: a dispute was upheld
                       'FINE',        -- operator -> revenue: for an invalid result; or back, if it was no strike
                       'PAYOUT')),    -- operator -> user as credits, or -> payouts as money
    reference      text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 255),
    description    text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    key            uuid NOT NULL UNIQUE,          -- the id of the debit's entry; see other_key for the credit's
    -- the number of the entry on its account: 1, 2, 3 … without gaps
    debit_version  bigint NOT NULL CHECK (debit_version > 0),
    credit_version bigint NOT NULL CHECK (credit_version > 0),
    debit_after    bigint NOT NULL,               -- the account's balance after the transfer
    credit_after   bigint NOT NULL,
    receipt        bytea CHECK (octet_length(receipt) = 32), -- SHA-256 of the render receipt that the transfer pays for
    -- the writing transaction, for incremental audits
    written        bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    CHECK (debit <> credit),
    CHECK (subject IN (debit, credit)),
    UNIQUE (subject, kind, reference),            -- a reference moves money only once
    UNIQUE (debit, debit_version),
    UNIQUE (credit, credit_version)
);
-- A new transfer as the Ledger gives it to the statement that writes a batch: an array of these takes less time to send
-- and to read than an array for each column.
CREATE TYPE new_transfer AS (
    debit bigint, credit bigint, subject bigint, amount bigint, kind text, reference text, description text, key uuid,
    debit_version bigint, credit_version bigint, debit_after bigint, credit_after bigint, receipt bytea
);
-- An account's new state; `before` is the version that it replaces.
CREATE TYPE changed_account AS (id bigint, balance bigint, held bigint, version bigint, before bigint);

-- Rows are inserted in the order of these columns, so block ranges are small and precise.
CREATE INDEX transfers_created ON transfers USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX transfers_written ON transfers USING brin (written) WITH (autosummarize = on);
CREATE INDEX transfers_refunds ON transfers (split_part(reference, ':', 2), split_part(reference, ':', 3))
    WHERE kind = 'REFUND'; -- for unit_refunds
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Refunds of units' charges, by an admin or after an upheld dispute. The columns are parts of the references, as text:
-- references of refunded purchases are no ids of jobs.
CREATE VIEW unit_refunds AS
SELECT split_part(reference, ':', 2) AS job_id, split_part(reference, ':', 3) AS unit, amount
FROM transfers WHERE kind = 'REFUND' AND (reference LIKE 'job:%' OR reference LIKE 'dispute:%');

-- Return the id of the entry on the other side of a transfer: the same but for the last bit.
CREATE FUNCTION other_key(key uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(set_byte(uuid_send(key), 15, get_byte(uuid_send(key), 15) # 1), 'hex')::uuid
$$;

-- Return the number of the transfer that has the entry with this id; null if there is none.
CREATE FUNCTION transfer_of(entry uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT id FROM transfers WHERE key IN (entry, other_key(entry))
$$;

-- The two entries of each transfer. Entries of transfer n have the numbers 2n - 1 (debit) and 2n (credit). A query of
-- an account's entries reads one index per side; a query by number or id must also name the transfer.
CREATE VIEW entries AS
SELECT 2 * id - 1 AS entry_id, key AS id, id AS transfer_id, debit AS account_id, debit_version AS version,
       -amount AS amount, debit_after + amount AS before, debit_after AS after, created_at, written
FROM transfers
UNION ALL
SELECT 2 * id, other_key(key), id, credit, credit_version, amount, credit_after - amount, credit_after, created_at, written
FROM transfers;

-- Transfers with the names of their accounts instead of the ids, as leaves of the log have them. The columns are the
-- fields of sql.books.TransferRow.
CREATE VIEW named_transfers AS
SELECT d.name AS debit, c.name AS credit, CASE WHEN t.subject = t.debit THEN d.name ELSE c.name END AS subject,
       t.amount, t.kind, t.reference, t.description, t.created_at, t.key, t.debit_version, t.credit_version,
       t.debit_after, t.credit_after, t.receipt, t.id
FROM transfers t
JOIN accounts d ON d.id = t.debit
JOIN accounts c ON c.id = t.credit;

-- Refuse numbers that no sequence assigned, and numbers that the log already covers. A transfer with a covered number
-- would never get a leaf; an invented high number would make the log skip all numbers up to it. One check per
-- statement, however many rows it writes. Only in read committed: an older snapshot does not show what the log covers
-- now.
CREATE FUNCTION refuse_other_numbers() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    least bigint;
    most  bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'transfers are written in read committed alone'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT min(id), max(id) INTO least, most FROM written_now;
    IF least <= (SELECT covered FROM public.log_head) THEN
        RAISE EXCEPTION 'transfer % is of a number that the log has passed', least
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF most > coalesce(pg_sequence_last_value('public.transfers_id_seq'), 0) THEN
        RAISE EXCEPTION 'transfer % has a number that no sequence gave', most
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_numbered AFTER INSERT ON transfers REFERENCING NEW TABLE AS written_now
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_numbers();

-- The newest batch that each Ledger has written. If the answer to a write is lost, the Ledger finds out here whether it
-- took effect; a write that arrives late is refused.
CREATE TABLE ledger_batches (
    ledger     uuid PRIMARY KEY,                  -- a running Ledger; each start has another id
    batch      bigint NOT NULL,                   -- 1, 2, 3 …
    written_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Refuse a batch of which a part wrote another number of rows than decided: a row was changed or deleted meanwhile.
CREATE FUNCTION must_write(part text, written bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF written IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION '%: % of % rows', part, written, wanted
            USING ERRCODE = 'RT001', CONSTRAINT = part;
    END IF;
    RETURN written;
END $$;

-- Credits that are set aside for units.
CREATE TABLE holds (
    id         uuid PRIMARY KEY,
    -- no foreign key: the statement that inserts a hold locks its account, and fsck finds accounts that are missing
    account_id bigint NOT NULL,
    reference  text NOT NULL UNIQUE,              -- 'job:{id}:{unit}'
    amount     bigint NOT NULL CHECK (amount > 0),
    settled    bigint NOT NULL DEFAULT 0,
    state      text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                   'OPEN',       -- ends once, as SETTLED or RELEASED
                   'SETTLED',    -- charged, in full or in part; the rest was released
                   'RELEASED')), -- nothing was charged
    created_at timestamptz NOT NULL,
    closed_at  timestamptz,
    CHECK (settled BETWEEN 0 AND amount),
    CHECK ((state = 'OPEN') = (closed_at IS NULL)),
    CHECK (state = 'SETTLED' OR settled = 0)
);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'OPEN';
-- A hold as the Ledger gives it to the statement that writes a batch; see written_job.
CREATE TYPE written_hold AS (
    id uuid, account_id bigint, reference text, amount bigint, created_at timestamptz, settled bigint, state text,
    closed_at timestamptz, seen xid
);

-- Answers to requests with an idempotency key.
CREATE TABLE idempotency_keys (
    user_id    uuid NOT NULL REFERENCES users,
    key        text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    request    bytea NOT NULL CHECK (octet_length(request) = 32), -- SHA-256 of the request
    answer     jsonb NOT NULL,                    -- {status, body}
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- ── prices and purchases ────────────────────────────────────────────────────────────────────────

-- Every price that was ever set; the newest row of a job type is its price.
CREATE TABLE prices (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- later changes have greater numbers
    -- '*': all types without a price
    job_type   text NOT NULL CHECK (char_length(job_type) BETWEEN 1 AND 100),
    units      bigint CHECK (units >= 0),         -- per job; null: the type's price was removed, so '*' applies
    since      timestamptz NOT NULL,
    changed_by text NOT NULL,                     -- as in `audit`; '': a migration
    reason     text NOT NULL CHECK (char_length(reason) <= 500),
    CHECK (units IS NOT NULL OR job_type <> '*')
);
CREATE INDEX prices_job_type ON prices (job_type, number DESC);
CREATE TRIGGER prices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO prices (job_type, units, since, changed_by, reason) VALUES
    ('render', 100000, now(), '', ''), ('inference', 50000, now(), '', ''),
    ('cpu_benchmark', 10000, now(), '', ''), ('echo', 0, now(), '', ''), ('*', 10000, now(), '', '');

-- SKUs: what users can buy.
CREATE TABLE skus (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 100), -- shown to buyers
    units      bigint NOT NULL CHECK (units BETWEEN 1 AND 100000000000000), -- credits that the buyer gets
    amount     bigint NOT NULL CHECK (amount BETWEEN 1 AND 99999999), -- in the currency's smallest unit
    currency   text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    on_sale    boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO skus (name, title, units, amount, currency) VALUES
    ('cred10', '100 credits', 1000000, 1000, 'usd'),
    ('cred50', '500 credits', 5000000, 4000, 'usd'),
    ('cred100', '1,000 credits', 10000000, 7000, 'usd'),
    ('cred500', '5,000 credits', 50000000, 35000, 'usd'),
    ('cred2000', '20,000 credits', 200000000, 140000, 'usd');

CREATE TABLE purchases (
    id             uuid PRIMARY KEY,              -- also the reference at Stripe, and the idempotency key
    user_id        uuid NOT NULL REFERENCES users,
    sku            text NOT NULL REFERENCES skus,
    -- units, amount and currency are those at the time of the purchase
    units          bigint NOT NULL CHECK (units > 0),
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    state          text NOT NULL DEFAULT 'OPEN' CHECK (state IN (
                       'OPEN',      -- not paid yet
                       'FAILED',    -- the payment failed; becomes PAID if it still arrives
                       'EXPIRED',   -- not paid in time; becomes PAID if the payment still arrives
                       'PAID')),    -- the credits were booked, once
    session        text UNIQUE,                   -- Stripe's id; null until Stripe has created it
    url            text,                          -- Stripe's page for the payment
    payment_intent text UNIQUE,                   -- refunds and disputes refer to it; known once the purchase is paid
    refunded       bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0), -- units of money that refunds have removed
    disputed       bigint NOT NULL DEFAULT 0 CHECK (disputed >= 0), -- units of money that disputes have removed
    movements      integer NOT NULL DEFAULT 0 CHECK (movements >= 0), -- number of changes of these two columns
    created_at     timestamptz NOT NULL,
    paid_at        timestamptz,
    CHECK (refunded + disputed <= units),
    CHECK ((state = 'PAID') = (paid_at IS NOT NULL)),
    CHECK (state <> 'PAID' OR session IS NOT NULL),
    CHECK (state = 'PAID' OR movements = 0)
);
CREATE INDEX purchases_user ON purchases (user_id, created_at DESC, id DESC);

-- Invoices of paid purchases, as they were first issued: neither other settings nor another address of the buyer change
-- one. Numbers have no gaps: a purchase gets the next one when somebody first asks for its invoice.
CREATE TABLE invoices (
    number      bigint PRIMARY KEY CHECK (number > 0),
    purchase_id uuid NOT NULL UNIQUE REFERENCES purchases,
    issued_at   timestamptz NOT NULL,
    seller      text NOT NULL CHECK (char_length(seller) BETWEEN 1 AND 1000), -- name and address, a line each
    buyer       text NOT NULL CHECK (char_length(buyer) BETWEEN 1 AND 1000),
    prefix      text NOT NULL CHECK (char_length(prefix) <= 20), -- before the number
    title       text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 100), -- what was bought
    tax_name    text NOT NULL CHECK (char_length(tax_name) <= 50),
    tax         integer CHECK (tax BETWEEN 0 AND 9999), -- in 1/100 of a percent, included in the price; null: no tax line
    note        text NOT NULL CHECK (char_length(note) <= 500)
);
CREATE TRIGGER invoices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Credit notes: what refunds and disputes took back of an invoice's amount, with numbers without gaps of their own. A
-- note is issued when they change, or with the invoice if they came first. The sum of an invoice's notes is what is
-- taken back now: below 0, a note takes an earlier one back, because a refund failed or the farm won a dispute.
CREATE TABLE credit_notes (
    number    bigint PRIMARY KEY CHECK (number > 0),
    invoice   bigint NOT NULL REFERENCES invoices,
    issued_at timestamptz NOT NULL,
    units     bigint NOT NULL,                    -- credits
    amount    bigint NOT NULL CHECK (amount <> 0) -- in the currency's smallest unit
);
CREATE INDEX credit_notes_invoice ON credit_notes (invoice, number);
CREATE TRIGGER credit_notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Issue the credit note of a purchase that has an invoice, unless its notes already say what is taken back. The lock
-- comes first, so that of a refund and an invoice at the same time the later one sees the other.
CREATE PROCEDURE issue_credit_note(purchase uuid) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('credit_notes'));
    INSERT INTO credit_notes (number, invoice, issued_at, units, amount)
    SELECT coalesce((SELECT max(number) FROM credit_notes), 0) + 1, i.number, now(),
           p.refunded + p.disputed - n.units, taken.amount - n.amount
    FROM purchases p
    JOIN invoices i ON i.purchase_id = p.id
    -- Credits were rounded down from the money, so the money is rounded up.
    CROSS JOIN LATERAL (SELECT div((p.refunded + p.disputed)::numeric * p.amount + p.units - 1, p.units)::bigint
                               AS amount) taken
    CROSS JOIN LATERAL (SELECT coalesce(sum(c.units), 0)::bigint AS units, coalesce(sum(c.amount), 0)::bigint AS amount
                        FROM credit_notes c WHERE c.invoice = i.number) n
    WHERE p.id = purchase AND taken.amount <> n.amount;
END $$;
CREATE FUNCTION issue_credit_notes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CALL issue_credit_note(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER purchases_taken_back AFTER UPDATE ON purchases
    FOR EACH ROW WHEN (OLD.refunded + OLD.disputed <> NEW.refunded + NEW.disputed)
    EXECUTE FUNCTION issue_credit_notes();

-- Refunds and disputes as Stripe reports them: the furthest state of each object, so that events may arrive twice and
-- in any order. A row may precede the purchase with its payment intent.
CREATE TABLE reversals (
    id             text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 200), -- Stripe's id
    kind           text NOT NULL CHECK (kind IN (
                       'CHARGE',    -- the sum of a charge's refunds
                       'REFUND',    -- one refund
                       'DISPUTE')), -- one dispute
    payment_intent text NOT NULL CHECK (char_length(payment_intent) BETWEEN 1 AND 200),
    amount         bigint NOT NULL CHECK (amount >= 0), -- in the currency's smallest unit
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    state          text NOT NULL CHECK (state IN (
                       'PENDING',   -- nothing is taken yet: an inquiry, or a refund that waits for the buyer
                       'COUNTS',    -- the money went back: a refund, or an open or lost dispute
                       'VOID')),    -- the money returned for good: a dispute won, or a refund that failed
    seen_at        timestamptz NOT NULL
);
CREATE INDEX reversals_payment_intent ON reversals (payment_intent);

-- Every event that Stripe has sent and signed. A repeated event has no effect.
CREATE TABLE stripe_events (
    id          text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 200),
    type        text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 200),
    object      text NOT NULL CHECK (char_length(object) <= 200), -- the id of the object that the event is about
    outcome     text NOT NULL CHECK (outcome IN (
                    'COUNTED',      -- it changed a purchase and the books
                    'EARLY',        -- stored until its purchase is paid
                    'REPEATED',     -- it contained nothing new
                    'REFUSED',      -- paid, but not the purchase's amount: an admin must decide
                    'IGNORED')),    -- not ours, or of a kind that we do not process
    received_at timestamptz NOT NULL
);
CREATE TRIGGER stripe_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stripe_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON platform_accounts, unit_refunds, transfers, entries, named_transfers TO rendertrust_app;
        -- The gateway cannot set `written`: the column's default does.
        GRANT INSERT (id, debit, credit, subject, amount, kind, reference, description, created_at, key,
                      debit_version, credit_version, debit_after, credit_after, receipt)
            ON transfers TO rendertrust_app;
        GRANT USAGE ON SEQUENCE accounts_id_seq, transfers_id_seq TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_batches TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON accounts, holds, skus, purchases, reversals TO rendertrust_app;
        GRANT SELECT, INSERT ON idempotency_keys, prices, invoices, credit_notes, stripe_events TO rendertrust_app; -- append-only
    END IF;
END $$;
