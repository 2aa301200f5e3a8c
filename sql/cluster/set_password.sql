-- Pass a password to roles.sql as a setting of this session.
SELECT set_config($1, $2, false);
