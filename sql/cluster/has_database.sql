-- Return whether the gateway's database exists.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'rendertrust');
