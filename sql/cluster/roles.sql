-- The roles of an embedded cluster, made or repaired at each start by its superuser. The passwords
-- come as settings of the session: a script with several statements takes no parameters.
-- Everything here may run again.
DO $$
DECLARE
    owner_password text := current_setting('rendertrust.owner_password');
    app_password   text := current_setting('rendertrust.app_password');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust') THEN
        CREATE ROLE rendertrust LOGIN CREATEDB;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rendertrust_app') THEN
        CREATE ROLE rendertrust_app LOGIN;
    END IF;
    EXECUTE format('ALTER ROLE rendertrust PASSWORD %L', owner_password);
    EXECUTE format('ALTER ROLE rendertrust_app PASSWORD %L', app_password);
    -- So that the owner may end the application's connections before it drops or restores.
    GRANT rendertrust_app TO rendertrust;
END
$$;
