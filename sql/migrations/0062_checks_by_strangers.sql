-- What a check earned waits as the unit's share does: until nobody may dispute the unit any more.
ALTER TABLE earnings DROP CONSTRAINT earnings_of_check;
ALTER TABLE earnings ADD CONSTRAINT earnings_of_check CHECK (
    work = 'RENDER' OR (operator_id IS NOT NULL AND state IN ('PENDING', 'PAYABLE', 'PAID')));

-- A verifier called a result wrong that the gateway's own found right: it did not pass, either.
ALTER TABLE verifier_tests ADD COLUMN accused boolean NOT NULL DEFAULT false;
