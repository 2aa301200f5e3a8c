-- Registrations of nodes that nobody proves are deleted.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        GRANT DELETE ON nodes TO rendertrust_app;
    END IF;
END $$;
