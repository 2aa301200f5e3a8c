-- What the gateway that audits found last, for the others. One row.
CREATE TABLE last_audit (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    at         timestamptz NOT NULL,             -- when it began, of what was new then or of everything
    whole      timestamptz,                      -- when the last one of everything began
    findings   jsonb NOT NULL,                   -- [[invariant, subject, found], …]
    noted_at   timestamptz NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT SELECT, INSERT, UPDATE ON last_audit TO rendertrust_app;
    END IF;
END $$;
