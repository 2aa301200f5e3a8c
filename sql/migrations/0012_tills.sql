-- Tills: the platform's busiest accounts in several rows, so that gateways that write at the same time
-- have one each. A batch takes the first that nobody has; what lies in all of them is the account's.

ALTER TABLE accounts
    ADD COLUMN till_of bigint REFERENCES accounts, -- the account's first row; null: it has no tills
    ADD CHECK (till_of IS NULL OR may_overdraw);
CREATE INDEX accounts_tills ON accounts (till_of, id) WHERE till_of IS NOT NULL;

UPDATE accounts SET till_of = id WHERE name IN ('revenue', 'adjustments');
INSERT INTO accounts (name, may_overdraw, till_of)
SELECT a.name || ':' || n, true, a.id
FROM accounts a CROSS JOIN generate_series(1, 15) n
WHERE a.till_of = a.id ORDER BY n, a.id;

-- A balance changes with every transfer: there is room for the row's next version on the same page, so
-- that no index has to know of it.
ALTER TABLE accounts SET (fillfactor = 50);

-- A transfer's subject is its debit or its credit, which are accounts: looking it up once more for each
-- row protects nothing.
ALTER TABLE transfers DROP CONSTRAINT transfers_subject_fkey;

-- What the platform's accounts have, each with all its tills.
CREATE VIEW platform_accounts AS
SELECT w.name, coalesce(t.balance, w.balance)::bigint AS balance, t.used AS tills_used
FROM accounts w
CROSS JOIN LATERAL (SELECT sum(balance) AS balance, count(*) FILTER (WHERE version > 0) AS used
                    FROM accounts WHERE till_of = w.id) t
WHERE w.name IN ('purchases', 'revenue', 'adjustments', 'payouts', 'disputes', 'suspense');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON platform_accounts TO rendertrust_app;
    END IF;
END $$;
