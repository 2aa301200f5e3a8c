-- name: restoring_tables
-- How many tables the database has: none, and something may be restored into it.
SELECT count(*) AS count FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_%';

-- name: restoring_gateways
-- How many connections of gateways there are. Everybody may see names and databases of them.
SELECT count(*) AS count FROM pg_stat_activity
WHERE application_name = 'rendertrust' AND datname = current_database();

-- name: restoring_role
-- Whether the application's role is there, to which rights are given.
SELECT count(*) AS count FROM pg_roles WHERE rolname = 'rendertrust_app';

-- name: restoring_kept
-- Databases of ours that a restore has put aside: ours, and named after the one that we are in.
SELECT d.datname AS name FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
WHERE starts_with(d.datname, current_database() || '_before_') AND pg_has_role(r.oid, 'USAGE')
ORDER BY d.datname;
