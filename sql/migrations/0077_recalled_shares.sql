-- Disputes that the gateway opened: what nobody had looked at of a node that was caught afterwards. They are
-- decided by a check.
ALTER TABLE disputes ADD COLUMN by_gateway boolean NOT NULL DEFAULT false;
CREATE INDEX disputes_recalled ON disputes (opened_at, job_id, unit) WHERE state = 'OPEN' AND by_gateway;
-- Who was caught, and when.
CREATE INDEX checks_mismatches ON checks (decided_at) WHERE verdict = 'mismatch';

-- Since when a node is in quarantine, or was until it was revoked; nobody released it. New keys of its owner
-- begin there.
ALTER TABLE nodes ADD COLUMN quarantined_at timestamptz;
UPDATE nodes SET quarantined_at = coalesce(standing_at, now()) WHERE standing = 'QUARANTINED';
CREATE INDEX nodes_quarantined ON nodes (owner_id) WHERE quarantined_at IS NOT NULL;
