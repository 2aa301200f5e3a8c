-- The gateway's database; in a separate statement, because it cannot run inside a transaction.
CREATE DATABASE rendertrust OWNER rendertrust;
