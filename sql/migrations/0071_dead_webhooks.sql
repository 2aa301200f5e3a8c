-- Deliveries of webhooks that were given up are dead letters, too.
ALTER TABLE discards DROP CONSTRAINT discards_kind_check;
ALTER TABLE discards ADD CONSTRAINT discards_kind_check CHECK (kind IN ('job', 'event', 'webhook'));
CREATE INDEX deliveries_failed ON deliveries (ended_at DESC) WHERE state = 'FAILED';
