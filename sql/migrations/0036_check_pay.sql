-- Whoever looked at another's work is paid for it: from what the gateway keeps, payable at once.

-- Whatever kinds of transfers there are by now stay, written one by one or as one array; this one is new.
DO $$
DECLARE kinds text[];
BEGIN
    SELECT array_agg(DISTINCT word[1]) INTO kinds
    FROM pg_constraint c,
         regexp_matches(pg_get_constraintdef(c.oid), '[''{,]([A-Z_]+)(?=['',}])', 'g') AS word
    WHERE c.conname = 'transfers_kind_check' AND c.conrelid = 'transfers'::regclass;
    kinds := kinds || ARRAY['CHECK'];  -- revenue -> operator: his node looked, and the verdict rests on it
    ALTER TABLE transfers DROP CONSTRAINT transfers_kind_check;
    EXECUTE format('ALTER TABLE transfers ADD CONSTRAINT transfers_kind_check'
                   ' CHECK (kind = ANY (%L::text[]))', kinds);
END $$;

-- A unit has one share of its own, and one for each owner who looked at one of its attempts.
ALTER TABLE earnings
    DROP CONSTRAINT earnings_pkey,
    DROP CONSTRAINT earnings_id_key,
    ADD PRIMARY KEY (id),
    ADD COLUMN work text NOT NULL DEFAULT 'RENDER' CHECK (work IN ('RENDER', 'CHECK')),
    ADD COLUMN attempt integer CHECK (attempt > 0),  -- the one that was looked at
    ADD CONSTRAINT earnings_attempt CHECK ((work = 'CHECK') = (attempt IS NOT NULL)),
    ADD CONSTRAINT earnings_of_check CHECK (work = 'RENDER' OR (operator_id IS NOT NULL AND state IN ('PAYABLE', 'PAID')));
CREATE UNIQUE INDEX earnings_rendered ON earnings (job_id, unit) WHERE work = 'RENDER';
CREATE UNIQUE INDEX earnings_checked ON earnings (job_id, unit, attempt, operator_id) WHERE work = 'CHECK';
