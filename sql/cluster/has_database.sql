-- Whether the gateway's database was made.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'rendertrust');
