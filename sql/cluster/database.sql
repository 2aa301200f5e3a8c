-- Create the gateway's database. This is a separate file because the statement cannot run inside a transaction.
CREATE DATABASE rendertrust OWNER rendertrust;
