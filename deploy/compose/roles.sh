#!/bin/sh
# Make the gateway's database and its two roles, when PostgreSQL's container makes its cluster.
set -eu
SECRETS=${SECRETS:-/run/secrets}
export SECRETS
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'END_OF_SQL'
\set owner `cat "$SECRETS/postgres_owner"`
\set app `cat "$SECRETS/postgres_app"`
CREATE ROLE rendertrust LOGIN PASSWORD :'owner';
CREATE ROLE rendertrust_app LOGIN PASSWORD :'app';
CREATE DATABASE rendertrust OWNER rendertrust;
END_OF_SQL
