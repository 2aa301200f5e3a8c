-- Prices have a history: each change is a row, and the newest row of a job type is its price.

ALTER TABLE prices DROP CONSTRAINT prices_pkey;
ALTER TABLE prices
    ADD COLUMN number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- later changes have greater ones
    ADD COLUMN since      timestamptz,
    ADD COLUMN changed_by text NOT NULL DEFAULT '',  -- as in the audit; '': by a migration
    ADD COLUMN reason     text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    ALTER COLUMN units DROP NOT NULL,                -- null: no price of its own any more
    ADD CHECK (char_length(job_type) BETWEEN 1 AND 100),
    ADD CHECK (units IS NOT NULL OR job_type <> '*'); -- something must hold for every other type
UPDATE prices SET since = coalesce(
    (SELECT applied_at FROM schema_migrations WHERE version = 1), now());
ALTER TABLE prices
    ALTER COLUMN since SET NOT NULL,
    ALTER COLUMN changed_by DROP DEFAULT,
    ALTER COLUMN reason DROP DEFAULT;
CREATE INDEX prices_job_type ON prices (job_type, number DESC);

CREATE TRIGGER prices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which price a job was submitted under; it keeps it. No foreign key: rows of prices never go, and
-- every new job would lock the same one.
ALTER TABLE jobs ADD COLUMN price_number bigint;      -- null: from before prices had numbers

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT INSERT ON prices TO rendertrust_app;     -- append-only
    END IF;
END $$;
