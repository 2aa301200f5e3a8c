-- name: restoring_tables
-- Count the tables: a backup may be restored only if there are none.
SELECT count(*) AS count FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_%';

-- name: restoring_gateways
-- Count the gateways' connections to this database. Every role can see them.
SELECT count(*) AS count FROM pg_stat_activity
WHERE application_name = 'rendertrust' AND datname = current_database();

-- name: restoring_role
-- Count roles with the application's name (0 or 1), which migrations grant rights to.
SELECT count(*) AS count FROM pg_roles WHERE rolname = 'rendertrust_app';

-- name: restoring_kept
-- Databases that a restore has set aside: owned by us, and named after the current one.
SELECT d.datname AS name FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
WHERE starts_with(d.datname, current_database() || '_before_') AND pg_has_role(r.oid, 'USAGE')
ORDER BY d.datname;
