-- The gateway's database; in a statement of its own, because it cannot run inside a transaction.
CREATE DATABASE rendertrust OWNER rendertrust;
