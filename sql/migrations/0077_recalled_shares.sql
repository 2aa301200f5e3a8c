-- Disputes that the gateway opened: what nobody had looked at of a node that was caught afterwards. They are
-- decided by a check.
ALTER TABLE disputes ADD COLUMN by_gateway boolean NOT NULL DEFAULT false;
CREATE INDEX disputes_recalled ON disputes (opened_at, job_id, unit) WHERE state = 'OPEN' AND by_gateway;
-- Who was caught, and when.
CREATE INDEX checks_mismatches ON checks (decided_at) WHERE verdict = 'mismatch';
