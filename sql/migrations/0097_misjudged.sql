-- What a check was paid is reversed where the gateway's own found wrong what its word had called valid.
ALTER TABLE earnings DROP CONSTRAINT earnings_of_check;
ALTER TABLE earnings ADD CONSTRAINT earnings_of_check CHECK (work = 'RENDER' OR operator_id IS NOT NULL);
