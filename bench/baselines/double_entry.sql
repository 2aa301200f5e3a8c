-- The books as the gateway has them (columns, checks, keys, indexes, append-only triggers), and two
-- ways to write them without a batch: statement by statement from outside, and by these functions.
-- Accounts are locked in the order of their ids, the platform's last: the row that everybody wants
-- is locked as briefly as can be.

DROP SCHEMA IF EXISTS double_entry CASCADE;
CREATE SCHEMA double_entry;
SET search_path = double_entry;

CREATE TABLE accounts (
    id       bigint PRIMARY KEY,
    name     text NOT NULL UNIQUE,
    balance  bigint NOT NULL DEFAULT 0,
    held     bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    version  bigint NOT NULL DEFAULT 0,
    may_overdraw boolean NOT NULL DEFAULT false,
    debt     bigint REFERENCES accounts,
    CHECK (may_overdraw OR balance - held >= 0)
) WITH (fillfactor = 50); -- updates of rows that change all the time stay on their page

CREATE TABLE transfers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit       bigint NOT NULL REFERENCES accounts,
    credit      bigint NOT NULL REFERENCES accounts,
    subject     bigint NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0),
    kind        text NOT NULL CHECK (kind IN ('USAGE', 'DEDUCTION', 'ADJUSTMENT')),
    reference   text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 255),
    description text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (debit <> credit),
    CHECK (subject IN (debit, credit)),
    UNIQUE (subject, kind, reference)
);

CREATE TABLE entries (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    transfer_id bigint NOT NULL REFERENCES transfers,
    account_id  bigint NOT NULL REFERENCES accounts,
    version     bigint NOT NULL,
    amount      bigint NOT NULL CHECK (amount <> 0),
    before      bigint NOT NULL,
    after       bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    receipt     bytea CHECK (octet_length(receipt) = 32),
    UNIQUE (account_id, version),
    CHECK (after = before + amount)
);
CREATE INDEX entries_transfer ON entries (transfer_id);

CREATE TABLE holds (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id  bigint NOT NULL REFERENCES accounts,
    reference   text NOT NULL UNIQUE,
    amount      bigint NOT NULL CHECK (amount > 0),
    settled     bigint NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'SETTLED', 'RELEASED')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz,
    CHECK (settled BETWEEN 0 AND amount),
    CHECK ((state = 'OPEN') = (closed_at IS NULL)),
    CHECK (state = 'SETTLED' OR settled = 0)
) WITH (fillfactor = 50);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'OPEN';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Moves money from a user to the platform. Returns the transfer's number; a repeated reference gets
-- the number of the first transfer, or null if the amount differs. Raises an error if the account
-- has too little.
CREATE FUNCTION post(payer bigint, platform bigint, cost bigint, what text, mark text, words text)
RETURNS bigint LANGUAGE plpgsql SET search_path = double_entry AS $$
DECLARE moved bigint; payers accounts; platforms accounts;
BEGIN
    INSERT INTO transfers (debit, credit, subject, amount, kind, reference, description)
    VALUES (payer, platform, payer, cost, what, mark, words)
    ON CONFLICT (subject, kind, reference) DO NOTHING RETURNING id INTO moved;
    IF moved IS NULL THEN
        RETURN (SELECT id FROM transfers
                WHERE subject = payer AND kind = what AND reference = mark AND amount = cost);
    END IF;
    UPDATE accounts SET balance = balance - cost, version = version + 1
    WHERE id = payer AND (may_overdraw OR balance - held >= cost) RETURNING * INTO payers;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insufficient credits';
    END IF;
    UPDATE accounts SET balance = balance + cost, version = version + 1
    WHERE id = platform RETURNING * INTO platforms;
    INSERT INTO entries (transfer_id, account_id, version, amount, before, after)
    VALUES (moved, payer, payers.version, -cost, payers.balance + cost, payers.balance),
           (moved, platform, platforms.version, cost, platforms.balance - cost, platforms.balance);
    RETURN moved;
END $$;

-- Holds money of a user, once per reference. Raises an error if the account has too little.
CREATE FUNCTION place(payer bigint, cost bigint, mark text) RETURNS boolean
LANGUAGE plpgsql SET search_path = double_entry AS $$
BEGIN
    INSERT INTO holds (account_id, reference, amount) VALUES (payer, mark, cost)
    ON CONFLICT (reference) DO NOTHING;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    UPDATE accounts SET held = held + cost WHERE id = payer AND balance - held >= cost;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insufficient credits';
    END IF;
    RETURN true;
END $$;

-- Charges what a hold holds and returns the transfer's number; null if the hold is not open.
CREATE FUNCTION settle(mark text, platform bigint, words text) RETURNS bigint
LANGUAGE plpgsql SET search_path = double_entry AS $$
DECLARE moved bigint; hold holds; payers accounts; platforms accounts; cost bigint;
BEGIN
    UPDATE holds SET state = 'SETTLED', settled = amount, closed_at = now()
    WHERE reference = mark AND state = 'OPEN' RETURNING * INTO hold;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    cost := hold.amount;
    INSERT INTO transfers (debit, credit, subject, amount, kind, reference, description)
    VALUES (hold.account_id, platform, hold.account_id, cost, 'USAGE', mark, words)
    RETURNING id INTO moved;
    UPDATE accounts SET balance = balance - cost, held = held - cost, version = version + 1
    WHERE id = hold.account_id RETURNING * INTO payers;
    UPDATE accounts SET balance = balance + cost, version = version + 1
    WHERE id = platform RETURNING * INTO platforms;
    INSERT INTO entries (transfer_id, account_id, version, amount, before, after)
    VALUES (moved, payers.id, payers.version, -cost, payers.balance + cost, payers.balance),
           (moved, platform, platforms.version, cost, platforms.balance - cost, platforms.balance);
    RETURN moved;
END $$;
