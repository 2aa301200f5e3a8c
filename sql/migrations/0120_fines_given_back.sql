-- Stop all gateways first: those before book a fine share by share, and their audit knows no other fines.
-- A fine that is given back, as the scene was at fault. The share may be forfeited again then.
ALTER TABLE fines ADD COLUMN returned_at timestamptz;
ALTER TABLE fines DROP CONSTRAINT fines_pkey;
ALTER TABLE fines ADD PRIMARY KEY (share_id, job_id, unit, attempt);
CREATE UNIQUE INDEX fines_of_share ON fines (share_id) WHERE returned_at IS NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT UPDATE (returned_at) ON fines TO rendertrust_app;
    END IF;
END $$;
