-- Earnings: operators' shares for units, payouts, disputes about units, and fines.

CREATE TABLE payouts (
    id           uuid PRIMARY KEY,
    operator_id  uuid NOT NULL REFERENCES users,
    kind         text NOT NULL CHECK (kind IN ('CREDITS', 'MONEY')),
    amount       bigint NOT NULL CHECK (amount > 0),
    units        integer NOT NULL CHECK (units > 0), -- number of shares that it pays
    state        text NOT NULL CHECK (state IN (
                     'REQUESTED',  -- a payout of money: an admin approves or rejects it
                     'APPROVED',   -- in a batch: becomes PAID once the money was sent, or REJECTED
                     'PAID',       -- a payout of credits is paid at once
                     'REJECTED')), -- its shares are payable again
    batch_id     uuid,                            -- groups payouts that were approved together
    reference    text NOT NULL DEFAULT '' CHECK (char_length(reference) <= 255), -- the bank's reference
    requested_at timestamptz NOT NULL,
    closed_at    timestamptz,
    CHECK (kind = 'MONEY' OR state = 'PAID'),
    CHECK ((state IN ('PAID', 'REJECTED')) = (closed_at IS NOT NULL)),
    CHECK (state = 'REJECTED' OR (kind = 'MONEY' AND state <> 'REQUESTED') = (batch_id IS NOT NULL))
);
CREATE INDEX payouts_operator ON payouts (operator_id, requested_at DESC, id DESC);
CREATE INDEX payouts_requested ON payouts (requested_at DESC, id DESC);
CREATE INDEX payouts_batch ON payouts (batch_id) WHERE batch_id IS NOT NULL;

-- Where operators have their money sent: the newest account whose time has come, and at most one that waits.
CREATE TABLE payout_accounts (
    user_id    uuid NOT NULL REFERENCES users,
    -- the method and the account, encrypted with a key derived from the log's key
    sealed     bytea NOT NULL CHECK (octet_length(sealed) <= 2000),
    currency   text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    changed_at timestamptz NOT NULL,
    usable_at  timestamptz NOT NULL,              -- payouts use an earlier account, or wait, until then
    PRIMARY KEY (user_id, usable_at)
);

-- When operators are paid out without asking, and what a payout has at least.
CREATE TABLE payout_rules (
    user_id    uuid PRIMARY KEY REFERENCES users,
    schedule   text NOT NULL CHECK (schedule IN ('by_hand', 'weekly', 'monthly')),
    kind       text NOT NULL CHECK (kind IN ('CREDITS', 'MONEY')),
    minimum    bigint NOT NULL CHECK (minimum >= 0), -- the gateway's minimum for money counts beside it
    next_at    timestamptz,
    CHECK ((schedule = 'by_hand') = (next_at IS NULL))
);
CREATE INDEX payout_rules_next ON payout_rules (next_at) WHERE next_at IS NOT NULL;

-- Mails about the end of payouts of money; a payout of credits ends as soon as its operator asks for it.
CREATE FUNCTION mail_payouts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM insert_notices(ARRAY['payout.' || lower(NEW.state)], ARRAY[NEW.operator_id], ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE TRIGGER payouts_mailed AFTER UPDATE ON payouts
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state IN ('PAID', 'REJECTED')) EXECUTE FUNCTION mail_payouts();

-- The operator's share of each unit's charge. The balance of an operator's account is the sum of the operator's
-- PENDING and PAYABLE shares; that of the account `suspense` is the sum of the shares without an operator.
CREATE TABLE earnings (
    id          uuid PRIMARY KEY,
    job_id      uuid NOT NULL,
    unit        integer NOT NULL,
    node_id     uuid NOT NULL REFERENCES nodes,
    operator_id uuid,                             -- null: the node has no owner yet
    amount      bigint NOT NULL CHECK (amount > 0),
    state       text NOT NULL CHECK (state IN (
                    'PENDING',     -- the unit can still be disputed; becomes PAYABLE, REVERSED or FORFEITED
                    'PAYABLE',     -- becomes PAID by a payout
                    'PAID',
                    'REVERSED',    -- a dispute was upheld
                    'FORFEITED')), -- taken as a fine
    earned_at   timestamptz NOT NULL,
    payable_at  timestamptz NOT NULL,             -- the end of the dispute window
    payout_id   uuid REFERENCES payouts,          -- the payout that pays it, or will pay it
    UNIQUE (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK (state <> 'PAID' OR payout_id IS NOT NULL),
    CHECK (payout_id IS NULL OR (operator_id IS NOT NULL AND state IN ('PAYABLE', 'PAID')))
);
CREATE INDEX earnings_operator ON earnings (operator_id, earned_at DESC, id DESC);
CREATE INDEX earnings_at_stake ON earnings (operator_id, earned_at DESC, id DESC) WHERE state = 'PENDING';
CREATE INDEX earnings_payable ON earnings (operator_id, payable_at, id)
    WHERE state = 'PAYABLE' AND payout_id IS NULL;
CREATE INDEX earnings_payout ON earnings (payout_id) WHERE payout_id IS NOT NULL;
CREATE INDEX earnings_pending ON earnings (payable_at) WHERE state = 'PENDING'; -- finds shares that have matured
CREATE INDEX earnings_unowned ON earnings (node_id) -- finds shares that a new owner can claim
    WHERE operator_id IS NULL AND state NOT IN ('REVERSED', 'FORFEITED');
CREATE INDEX earnings_node ON earnings (node_id); -- deleting a node searches the rows that refer to it

-- The entry that pays each share, on its operator's account or in suspense. Each lookup of a transfer by its reference
-- uses a unique index.
CREATE VIEW share_entries AS
SELECT e.id AS share_id,
       2 * coalesce( -- the entry on the credit side
            (SELECT t.id FROM transfers t
             WHERE t.subject = (SELECT id FROM accounts
                                WHERE name = coalesce('operator:' || e.operator_id, 'suspense'))
               AND t.kind = 'EARNING' AND t.reference = 'job:' || e.job_id || ':' || e.unit),
            (SELECT t.id FROM transfers t
             WHERE t.subject = (SELECT id FROM accounts WHERE name = 'suspense')
               AND t.kind = 'CLAIM' AND t.reference = 'job:' || e.job_id || ':' || e.unit)) AS entry_id
FROM earnings e;

-- Disputes about units, at most one per unit.
CREATE TABLE disputes (
    id         uuid NOT NULL UNIQUE,
    job_id     uuid NOT NULL,
    unit       integer NOT NULL,
    user_id    uuid NOT NULL REFERENCES users,
    -- the gateway opened it: the node or another node of its owner had an invalid result, and this unit was not fully
    -- compared
    by_gateway boolean NOT NULL DEFAULT false,
    reason     text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
    charge     bigint NOT NULL CHECK (charge > 0), -- refunded if the dispute is upheld
    state      text NOT NULL CHECK (state IN (
                   'OPEN',       -- the share stays pending
                   'UPHELD',     -- the charge was refunded and the share reversed
                   'REJECTED')), -- the share is payable
    -- What a verifier found, if that does not decide the dispute: an admin must decide.
    finding    text CONSTRAINT disputes_finding CHECK (char_length(finding) BETWEEN 1 AND 500),
    decision   text NOT NULL DEFAULT '' CHECK (char_length(decision) <= 500), -- reason for the decision
    opened_at  timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (job_id, unit),
    FOREIGN KEY (job_id, unit) REFERENCES units (job_id, number),
    CHECK ((state = 'OPEN') = (decided_at IS NULL))
);
CREATE INDEX disputes_opened ON disputes (opened_at DESC, id DESC);
-- the order in which verifiers take them
CREATE INDEX disputes_waiting ON disputes (opened_at, job_id, unit) WHERE state = 'OPEN';
CREATE INDEX disputes_recalled ON disputes (opened_at, job_id, unit) WHERE state = 'OPEN' AND by_gateway;

-- Mails about disputes: to the operator whose share is withheld, and about the decision also to the creator, who does
-- not read of disputes that the gateway opened and rejected.
CREATE FUNCTION mail_disputes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    operator CONSTANT uuid := (SELECT operator_id FROM earnings WHERE job_id = NEW.job_id AND unit = NEW.unit);
BEGIN
    PERFORM insert_notices(array_agg(t.kind), array_agg(t.user_id), array_agg(NEW.id))
    FROM (VALUES ('dispute.opened', operator, NEW.state = 'OPEN' AND (NEW.by_gateway OR operator <> NEW.user_id)),
                 ('dispute.decided', operator, NEW.state <> 'OPEN'),
                 ('dispute.decided', NEW.user_id, operator IS DISTINCT FROM NEW.user_id
                     AND (NEW.state = 'UPHELD' OR NEW.state = 'REJECTED' AND NOT NEW.by_gateway)))
         AS t (kind, user_id, is_told)
    WHERE t.is_told AND t.user_id IS NOT NULL
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER new_disputes_mailed AFTER INSERT ON disputes
    FOR EACH ROW EXECUTE FUNCTION mail_disputes();
CREATE TRIGGER disputes_mailed AFTER UPDATE ON disputes
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION mail_disputes();

-- Results of creators' own renders of disputed frames.
CREATE TABLE comparisons (
    dispute_id uuid PRIMARY KEY REFERENCES disputes (id),
    verdict    text NOT NULL CHECK (verdict IN ('exact', 'consistent', 'different', 'undecided')),
    said       text NOT NULL CHECK (char_length(said) BETWEEN 1 AND 500),
    -- x, y of the regions that differ most, 0 to 1
    places     double precision[] NOT NULL CHECK (cardinality(places) <= 16),
    picture    bytea CHECK (octet_length(picture) <= 524288) -- PNG of both pictures where they differ most
);

-- What creators report about disputed frames. The gateway may open another dispute of the frame instead of a rejected
-- one, which does not have the report.
CREATE TABLE problem_reports (
    dispute_id uuid PRIMARY KEY,
    problem    text NOT NULL CHECK (problem IN ('black', 'noise', 'missing', 'size', 'differs', 'other')),
    -- x, y, width and height of the place in the picture, 0 to 1; null: the whole picture
    region     double precision[] CHECK (cardinality(region) = 4)
);

-- What operators answer to disputes about their work, once, before the decision.
CREATE TABLE dispute_answers (
    dispute_id  uuid PRIMARY KEY,
    operator_id uuid NOT NULL REFERENCES users,
    answer      text NOT NULL CHECK (char_length(answer) BETWEEN 1 AND 1000),
    -- x, y, width and height of the place in the picture, 0 to 1; null: the whole picture
    region      double precision[] CHECK (cardinality(region) = 4),
    answered_at timestamptz NOT NULL
);
CREATE INDEX dispute_answers_operator ON dispute_answers (operator_id);

-- Whole shares that were forfeited for an invalid result. A fine is returned if the scene was at fault; the share may
-- then be forfeited again.
CREATE TABLE fines (
    share_id    uuid NOT NULL REFERENCES earnings (id),
    job_id      uuid NOT NULL,                    -- the invalid result
    unit        integer NOT NULL,
    attempt     integer NOT NULL,
    at          timestamptz NOT NULL,
    returned_at timestamptz,
    PRIMARY KEY (share_id, job_id, unit, attempt),
    FOREIGN KEY (job_id, unit, attempt) REFERENCES checks
);
CREATE UNIQUE INDEX fines_of_share ON fines (share_id) WHERE returned_at IS NULL;
CREATE INDEX fines_of_check ON fines (job_id, unit, attempt);

-- Jobs whose inputs and results must be kept: open, disputed, or with a share that may still be disputed.
CREATE VIEW kept_jobs AS
SELECT j.id, j.user_id, j.plan -> 'inputs' -> 'file' ->> 'key' AS input_key,
       j.plan -> 'inputs' -> 'files' ->> 'key' AS manifest_key
FROM jobs j WHERE j.completed_at IS NULL
UNION ALL
SELECT j.id, j.user_id, j.plan -> 'inputs' -> 'file' ->> 'key', j.plan -> 'inputs' -> 'files' ->> 'key'
FROM jobs j
WHERE j.completed_at IS NOT NULL
  AND j.id IN (SELECT job_id FROM disputes WHERE state = 'OPEN'
               UNION SELECT job_id FROM earnings WHERE state = 'PENDING');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT ON share_entries, kept_jobs TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE ON payouts, earnings, disputes TO rendertrust_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON payout_accounts, payout_rules TO rendertrust_app;
        GRANT SELECT, INSERT ON comparisons, fines, problem_reports TO rendertrust_app;
        GRANT SELECT, INSERT, DELETE ON dispute_answers TO rendertrust_app;
        GRANT UPDATE (returned_at) ON fines TO rendertrust_app;
    END IF;
END $$;
