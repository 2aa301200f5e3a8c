-- Create or repair the roles of an embedded cluster; its superuser runs this at each start, and it may run
-- repeatedly. Passwords are passed as settings of the session, because a script of several statements takes no
-- parameters.
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
    -- The owner may end the application's connections before it drops or restores the database.
    GRANT rendertrust_app TO rendertrust;
END
$$;
