-- When a node left quarantine last: from then on it earns its reputation anew.
ALTER TABLE nodes ADD COLUMN released_at timestamptz;
-- What a node is known by: verdicts of somebody who looked.
CREATE INDEX checks_told ON checks (node_id, device_class, decided_at)
    WHERE verdict IN ('exact', 'match', 'consistent', 'mismatch');
