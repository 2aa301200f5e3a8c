-- Stop all gateways first: as for 0114.
-- What were the odds that a delivery was compared with its scene. An invalid result that was drawn at odds below
-- one is fined: else a lie now and then would pay, as most of them would not be found.
ALTER TABLE checks ADD COLUMN odds real CHECK (odds > 0 AND odds <= 1); -- null: of a release before

-- Shares that were forfeited as fines, whole, and for which invalid result.
ALTER TABLE earnings DROP CONSTRAINT earnings_state_check;
ALTER TABLE earnings ADD CONSTRAINT earnings_state_check CHECK (
    state IN ('PENDING', 'PAYABLE', 'PAID', 'REVERSED', 'FORFEITED'));
CREATE TABLE fines (
    share_id uuid PRIMARY KEY REFERENCES earnings (id),
    job_id   uuid NOT NULL,
    unit     integer NOT NULL,
    attempt  integer NOT NULL,
    at       timestamptz NOT NULL,
    FOREIGN KEY (job_id, unit, attempt) REFERENCES checks
);
CREATE INDEX fines_of_check ON fines (job_id, unit, attempt);
-- What is forfeited goes from its operator to revenue.
DO $$
DECLARE kinds text[];
BEGIN
    SELECT array_agg(DISTINCT word[1]) INTO kinds
    FROM pg_constraint c,
         regexp_matches(pg_get_constraintdef(c.oid), '[''{,]([A-Z_]+)(?=['',}])', 'g') AS word
    WHERE c.conname = 'transfers_kind_check' AND c.conrelid = 'transfers'::regclass;
    kinds := kinds || ARRAY['FINE'];
    ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
    EXECUTE format('ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check'
                   ' CHECK (kind = ANY (%L::text[]))', kinds);
END $$;
DROP INDEX earnings_unowned;
CREATE INDEX earnings_unowned ON earnings (node_id)
    WHERE operator_id IS NULL AND state NOT IN ('REVERSED', 'FORFEITED');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT ON fines TO rendertrust_app;
    END IF;
END $$;
