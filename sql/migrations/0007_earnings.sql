-- What operators earn: a share of each verified unit, pending while the unit may be disputed, then
-- payable, then paid out; and what creators dispute.

-- Whatever kinds of transfers there are by now stay; these are new.
DO $$
DECLARE kinds text[];
BEGIN
    SELECT array_agg(DISTINCT word[1]) INTO kinds
    FROM pg_constraint c,
         regexp_matches(pg_get_constraintdef(c.oid), '''([A-Z_]+)''', 'g') AS word
    WHERE c.conname = 'transfers_kind_check' AND c.conrelid = 'transfers'::regclass;
    kinds := kinds || ARRAY['CLAIM',      -- suspense -> operator: the node has an owner now
                            'REVERSAL',   -- operator -> revenue: a dispute was upheld
                            'PAYOUT'];    -- operator -> user, or -> payouts: it left as money
    ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
    EXECUTE format('ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check'
                   ' CHECK (kind = ANY (%L::text[]))', kinds);
END $$;

CREATE TABLE payouts (
    id           uuid PRIMARY KEY,
    operator_id  uuid NOT NULL REFERENCES users,
    kind         text NOT NULL CHECK (kind IN ('CREDITS', 'MONEY')),
    amount       bigint NOT NULL CHECK (amount > 0),
    units        integer NOT NULL CHECK (units > 0), -- how many earnings it pays
    state        text NOT NULL CHECK (state IN (
                     'REQUESTED',  -- of money: -> APPROVED or REJECTED, by an admin
                     'APPROVED',   -- in a batch: -> PAID once the money went out, or REJECTED
                     'PAID',       -- credits are paid at once
                     'REJECTED')), -- what it was to pay is payable again
    batch_id     uuid,             -- with which others it was approved
    reference    text NOT NULL DEFAULT '' CHECK (char_length(reference) <= 255), -- of the bank's
    requested_at timestamptz NOT NULL,
    closed_at    timestamptz,
    CHECK (kind = 'MONEY' OR state = 'PAID'),
    CHECK ((state IN ('PAID', 'REJECTED')) = (closed_at IS NOT NULL)),
    CHECK (state = 'REJECTED' OR (kind = 'MONEY' AND state <> 'REQUESTED') = (batch_id IS NOT NULL))
);
CREATE INDEX payouts_operator ON payouts (operator_id, requested_at DESC, id DESC);
CREATE INDEX payouts_requested ON payouts (requested_at DESC, id DESC);
CREATE INDEX payouts_batch ON payouts (batch_id) WHERE batch_id IS NOT NULL;

-- The balance of an operator's account is what of these is PENDING or PAYABLE; where the operator is
-- null, it is that of the account suspense.
CREATE TABLE earnings (
    id          uuid NOT NULL UNIQUE,
    job_id      uuid NOT NULL,
    unit        integer NOT NULL,
    node_id     uuid NOT NULL REFERENCES nodes,
    operator_id uuid,              -- null: nobody owns the node yet
    amount      bigint NOT NULL CHECK (amount > 0),
    state       text NOT NULL CHECK (state IN (
                    'PENDING',     -- -> PAYABLE, or REVERSED
                    'PAYABLE',     -- -> PAID, by its payout
                    'PAID',
                    'REVERSED')),  -- a dispute was upheld
    earned_at   timestamptz NOT NULL,
    payable_at  timestamptz NOT NULL, -- until then it may be disputed
    payout_id   uuid REFERENCES payouts, -- which pays it, or is to pay it
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK (state <> 'PAID' OR payout_id IS NOT NULL),
    CHECK (payout_id IS NULL OR (operator_id IS NOT NULL AND state IN ('PAYABLE', 'PAID')))
);
CREATE INDEX earnings_operator ON earnings (operator_id, earned_at DESC, id DESC);
-- What the Paymaster looks for: whose time has come, and what waits for an owner.
CREATE INDEX earnings_pending ON earnings (payable_at) WHERE state = 'PENDING';
CREATE INDEX earnings_unowned ON earnings (node_id)
    WHERE operator_id IS NULL AND state <> 'REVERSED';
CREATE INDEX earnings_payable ON earnings (operator_id, payable_at, id)
    WHERE state = 'PAYABLE' AND payout_id IS NULL;
CREATE INDEX earnings_payout ON earnings (payout_id) WHERE payout_id IS NOT NULL;

CREATE TABLE disputes (
    id         uuid NOT NULL UNIQUE,
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    user_id    uuid NOT NULL REFERENCES users,
    reason     text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
    charge     bigint NOT NULL CHECK (charge > 0), -- what is given back if it is upheld
    state      text NOT NULL CHECK (state IN (
                   'OPEN',       -- what the unit earned stays pending
                   'UPHELD',     -- the charge was given back, the share reversed
                   'REJECTED')), -- the share is payable
    decision   text NOT NULL DEFAULT '' CHECK (char_length(decision) <= 500), -- why
    opened_at  timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (job_id, unit),  -- once per unit
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK ((state = 'OPEN') = (decided_at IS NULL))
);
CREATE INDEX disputes_opened ON disputes (opened_at DESC, id DESC);

-- Shares that were booked before: they may be disputed for a week from then on, as new ones.
INSERT INTO earnings (id, job_id, unit, node_id, operator_id, amount, state, earned_at, payable_at)
SELECT gen_random_uuid(), u.job_id, u.number, u.node_id,
       CASE WHEN a.name LIKE 'operator:%' THEN substr(a.name, 10)::uuid END,
       t.amount, 'PENDING', t.created_at, t.created_at + interval '7 days'
FROM transfers t
JOIN accounts a ON a.id = t.subject
JOIN units u ON t.reference = 'job:' || u.job_id || ':' || u.number
WHERE t.kind = 'EARNING';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON earnings, disputes, payouts TO rendertrust_app;
    END IF;
END $$;
